"""What a plugin brings: backbones, datasets and strategies, each on a page.

This package imports neither torch nor any provider, so that registering costs nothing.
"""

from __future__ import annotations

from tlbench.contracts.backbone import (
    Backbone,
    Block,
    Build,
    Family,
    Interpolation,
    ModelSize,
    Preprocessing,
    Weights,
)
from tlbench.contracts.dataset import Dataset, Split
from tlbench.contracts.options import Options, SplitOptions
from tlbench.contracts.strategy import BatchNormPolicy, Rates, Strategy, strategy

API_VERSION = 1
"""The version of the hooks and contracts; a plugin states the one it was written for as `tlbench_api`."""

__all__ = [
    "API_VERSION",
    "Backbone",
    "BatchNormPolicy",
    "Block",
    "Build",
    "Dataset",
    "Family",
    "Interpolation",
    "ModelSize",
    "Options",
    "Preprocessing",
    "Rates",
    "Split",
    "SplitOptions",
    "Strategy",
    "Weights",
    "strategy",
]
