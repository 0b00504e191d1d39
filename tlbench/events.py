"""What a trial's process tells while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepDone:
    """Progress after a step: which one of how many in this phase, in which epoch (from 1), on how many images."""

    step: int
    steps: int
    epoch: int
    images: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch (from 1, in this phase), its mean loss, and its images per second by the step times."""

    epoch: int
    train_loss: float
    images_per_second: float | None


Event = StepDone | EpochDone
Report = Callable[[Event], object]
