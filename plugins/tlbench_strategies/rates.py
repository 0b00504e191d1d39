"""The default learning rates: chosen on val where real weights are available here, taken from the literature elsewhere.

Those of CNNs with normalisation were chosen in `results/rates` and `results/rates-sgd`: EfficientNet-Lite0 and
MobileNetV2 with their ImageNet weights, on 500 images each of Fashion-MNIST and scikit-learn's digits (`make rates`);
docs/rates.md has what was tried.

The others are of the literature:

- CNNs without normalisation (VGG, AlexNet): SGD's 1e-3 is a tenth of the rate of training, as Girshick et al. 2014
  (R-CNN, arXiv:1311.2524) fine-tune; AdamW's 1e-4 because 1e-3 leaves VGG at chance here.
- Transformers: AdamW's 5e-5 over all parameters is near the 3e-5 of Wortsman et al. 2022 (arXiv:2109.01903); 1e-4 with
  layer-wise decay is the 1e-3 for a batch of 256 of He et al. 2022 (arXiv:2111.06377, table 9) for one of 32; SGD's
  are in the range of Steiner et al. 2021 (arXiv:2106.10270), 1e-3 to 3e-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tlbench.contracts import Family

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


def by_family(cnn: float, without_norm: float, transformer: float) -> Mapping[Family, float]:
    """A rate for each family of backbones."""
    return {"cnn": cnn, "cnn-without-norm": without_norm, "transformer": transformer}


HEAD = {"adamw": 1e-2, "sgd": 0.1}
"""Of a new head on a frozen body: convex, and alike for all families."""
FULL = {"adamw": by_family(3e-4, 1e-4, 5e-5), "sgd": by_family(0.03, 1e-3, 3e-3)}
"""Of all parameters together, of their unfreezing group by group, and of penalties and averages on top of that."""
LAST_BLOCKS = {"adamw": by_family(1e-3, 3e-4, 1e-4), "sgd": by_family(0.03, 3e-3, 3e-3)}
LAYER_DECAY = {"adamw": by_family(1e-3, 3e-4, 1e-4), "sgd": by_family(0.1, 3e-3, 1e-2)}
FEW = {"adamw": by_family(3e-3, 1e-3, 1e-3), "sgd": by_family(0.1, 1e-2, 3e-2)}
"""Of few parameters of a frozen body: biases, norms."""
ONE_STAGE = {"adamw": by_family(3e-3, 1e-3, 1e-3), "sgd": by_family(0.03, 1e-2, 3e-2)}
SIDE = {"adamw": by_family(3e-3, 1e-3, 1e-3), "sgd": by_family(0.3, 1e-2, 3e-2)}
"""Of a small network beside a frozen body."""
SCRATCH = {"adamw": by_family(3e-3, 1e-4, 5e-4), "sgd": by_family(0.3, 1e-2, 1e-2)}
"""From random weights."""


def head_factor(model: TransferModel) -> float:
    """The rate of a head that is trained on a frozen body first, over that of all parameters together."""
    optimizer = model.optimizer if model.optimizer in HEAD else "adamw"
    return HEAD[optimizer] / FULL[optimizer][model.family]
