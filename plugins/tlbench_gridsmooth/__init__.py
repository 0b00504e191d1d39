"""Soft finite-element transfer: images and feature maps as smoothed fields on a grid; a Gaussian blur beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl
from tlbench_gridsmooth.strategies import gaussian_blur, grid_smooth

if TYPE_CHECKING:
    from tlbench.toolkit import RegisterStrategy

tlbench_api = 1

STRATEGIES = (grid_smooth, gaussian_blur)


@hookimpl
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register both."""
    for each in STRATEGIES:
        register(each)
