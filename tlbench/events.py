"""What a trial's process tells while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepDone:
    """Progress after a step: of which phase (from 0), which of how many, in which epoch (from 1), how many images."""

    phase: int
    step: int
    steps: int
    epoch: int
    images: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch (from 1) of a phase (from 0), its mean loss, and its images per second by the step times.

    `seed` says of which trial, where several are trained together.
    """

    phase: int
    epoch: int
    train_loss: float
    images_per_second: float | None
    seed: int | None = None


@dataclass(frozen=True)
class PluginRaised:
    """A plugin has raised in a hook of the trial's process; the trial goes on without it."""

    plugin: str
    moment: str
    message: str


Event = StepDone | EpochDone | PluginRaised
Report = Callable[[Event], object]
