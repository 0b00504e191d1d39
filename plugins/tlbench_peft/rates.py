"""The default learning rates of what is added to a frozen body.

Those of CNNs with normalisation were chosen on val in `results/rates` and `results/rates-sgd` (docs/rates.md).
Transformers: AdamW's 1e-3 is that of Jie & Deng 2023 (FacT, arXiv:2212.03145); prompts get more, as Jia et al. 2022
(arXiv:2203.12119) find. CNNs without normalisation get a third of what those with it do, or as much: no source is
known.
"""

from __future__ import annotations

from tlbench.contracts import Rates

ADDED: Rates = {
    "adamw": {"cnn": 3e-3, "cnn-without-norm": 1e-3, "transformer": 1e-3},
    "sgd": {"cnn": 0.1, "cnn-without-norm": 3e-2, "transformer": 3e-2},
}
"""Of low-rank products."""
SCALES: Rates = {
    "adamw": {"cnn": 1e-3, "cnn-without-norm": 1e-3, "transformer": 1e-3},
    "sgd": {"cnn": 0.01, "cnn-without-norm": 3e-2, "transformer": 3e-2},
}
"""Of scales and shifts."""
ADAPTERS: Rates = {
    "adamw": {"cnn": 1e-2, "cnn-without-norm": 3e-3, "transformer": 1e-3},
    "sgd": {"cnn": 0.3, "cnn-without-norm": 3e-2, "transformer": 3e-2},
}
FACTORS: Rates = {
    "adamw": {"cnn": 1e-2, "cnn-without-norm": 3e-3, "transformer": 3e-3},
    "sgd": {"cnn": 0.3, "cnn-without-norm": 0.1, "transformer": 0.1},
}
"""Of IA³'s factors: one number for each output."""
PROMPTS: Rates = {"adamw": {"transformer": 1e-2}, "sgd": {"transformer": 0.3}}
"""Of tokens in a transformer's sequence."""
