"""The strategies of the literature, each a few lines on the engine's phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl
from tlbench_strategies import baselines, closed_form, distillation, near_source, partial, side, weight_space
from tlbench_strategies.basic import freeze, full, scratch

if TYPE_CHECKING:
    from tlbench.toolkit import RegisterBackbone, RegisterStrategy

tlbench_api = 1

STRATEGIES = (
    freeze,
    full,
    scratch,
    *partial.STRATEGIES,
    *side.STRATEGIES,
    *near_source.STRATEGIES,
    *weight_space.STRATEGIES,
    *distillation.STRATEGIES,
    *closed_form.STRATEGIES,
    *baselines.STRATEGIES,
)


@hookimpl
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register all of them."""
    for each in STRATEGIES:
        register(each)


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register what the baselines look at instead of a network."""
    register("image-stats", baselines.image_stats_backbone, summary="channel means and deviations, for the baselines")
