"""The optimizers that rates are stated for."""

from __future__ import annotations

from typing import Literal

OptimizerName = Literal["adamw", "sgd"]
