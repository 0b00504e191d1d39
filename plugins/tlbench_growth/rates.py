"""The default learning rates: those of fine-tuning everything, whether the grown model has learned something or not.

They are `full`'s (plugins/tlbench_strategies/rates.py says where they come from). From random weights larger rates are
better (`scratch` has them), so that a comparison of starts is made with `--tune`.
"""

from __future__ import annotations

from tlbench.contracts import Rates

FULL: Rates = {
    "adamw": {"cnn": 3e-4, "cnn-without-norm": 1e-4, "transformer": 5e-5},
    "sgd": {"cnn": 0.03, "cnn-without-norm": 1e-3, "transformer": 3e-3},
}
