"""The same job as fastai's documentation shows it: ImageDataLoaders, and a Learner that fits one cycle.

python fastai_learner.py FOLDER freeze|full EPOCHS; prints the accuracy on test after training.

fastai's own optimizer, Adam, decays as AdamW does (0.01). One cycle: the rate goes up and down along cosines.
"""

from __future__ import annotations

import sys
from pathlib import Path

from data import BATCH, SIZE, lite0
from fastai.callback.schedule import Learner  # with fit_one_cycle
from fastai.callback.training import BnFreeze
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import default_device, set_seed
from fastai.vision.augment import Resize
from fastai.vision.data import ImageDataLoaders, Normalize
from torch import nn


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    """The groups of parameters of which `freeze` freezes all but the last."""
    head = model.get_submodule("classifier")
    body = [each for name, each in model.named_parameters() if not name.startswith("classifier.")]
    return [body, list(head.parameters())]


def main(folder: Path, strategy: str, epochs: int) -> None:
    """Train, and validate after each epoch, as the Learner does."""
    default_device(use=False)  # CPU
    set_seed(0)
    loaders = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="test",
        bs=BATCH,
        item_tfms=Resize(SIZE, method="squish"),
        batch_tfms=Normalize.from_stats([0.5] * 3, [0.5] * 3),
        num_workers=2,
    )
    frozen = strategy == "freeze"
    learner = Learner(
        loaders,
        lite0(),
        loss_func=CrossEntropyLossFlat(),
        splitter=body_and_head,
        cbs=BnFreeze() if frozen else None,
        metrics=accuracy,
        train_bn=not frozen,  # else a frozen body's BatchNorm would be trained
    )
    if frozen:
        learner.freeze()
    learner.fit_one_cycle(epochs, 3e-3 if frozen else 1e-3)
    print(f"\naccuracy {learner.recorder.values[-1][-1]:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
