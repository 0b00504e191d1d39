"""From the steps of a phase to its figures: warm-up found and set apart, then the steady state summed up."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import bootstrap

from tlbench.measure.timing import StepPart, StepTime
from tlbench.results.costs import StepMs

STEADY_IN_A_ROW = 3
BAND_MADS = 3.0
LEAST_BAND = 0.1
RESAMPLES = 1000
RESAMPLED_AT_ONCE = 5_000_000


@dataclass
class PhaseSteps:
    """All steps of one phase, with their numbers of images."""

    steps: list[StepTime] = field(default_factory=list)
    images: list[int] = field(default_factory=list)

    def add(self, steps: Sequence[StepTime], images: Sequence[int]) -> None:
        """Add an epoch's steps."""
        self.steps += steps
        self.images += images

    @property
    def warmup_steps(self) -> int:
        """How many of the first steps are warm-up."""
        return warmup_steps([step.seconds for step in self.steps])

    @property
    def warmup_seconds(self) -> float:
        """Seconds of the warm-up."""
        return sum(step.seconds for step in self.steps[: self.warmup_steps])

    @property
    def steady(self) -> list[tuple[StepTime, int]]:
        """The steps after warm-up, each with its images."""
        first = self.warmup_steps
        return list(zip(self.steps[first:], self.images[first:], strict=True))


def warmup_steps(seconds: Sequence[float]) -> int:
    """How many steps to leave out at the beginning: kernel choice, compilation, first touches of memory.

    The later half of the steps says what is steady: its median, and a band of 3 scaled median absolute deviations
    above it (10 % at least). Warm-up lasts until three steps in a row lie under the band; it is one step at least
    and half of them at most.
    """
    if len(seconds) < 2:
        return len(seconds)
    half = len(seconds) // 2
    later = seconds[half:]
    middle = statistics.median(later)
    deviation = 1.4826 * statistics.median(abs(value - middle) for value in later)
    limit = middle + max(BAND_MADS * deviation, LEAST_BAND * middle)
    for first in range(1, half):
        if all(value <= limit for value in seconds[first : first + STEADY_IN_A_ROW]):
            return first
    return max(1, half)


def step_ms(phases: Sequence[PhaseSteps]) -> StepMs | None:
    """Times of the steady steps on a full batch over some phases; None where there is none.

    The interval of the median is a 95 % percentile bootstrap (Efron 1979) over steps.
    """
    full = max((number for phase in phases for number in phase.images), default=0)
    times = [step.seconds * 1e3 for phase in phases for step, images in phase.steady if images == full]
    if not times:
        return None
    p05, median, p95 = (float(value) for value in np.percentile(times, [5, 50, 95]))
    low, high = _median_interval(times)
    return StepMs(median=median, p05=p05, p95=p95, n=len(times), median_low=low, median_high=high)


def images_per_second(phases: Sequence[PhaseSteps]) -> float | None:
    """Images of the steady steps over their seconds; None where there is no steady step."""
    steady = [each for phase in phases for each in phase.steady]
    seconds = sum(step.seconds for step, _ in steady)
    return sum(images for _, images in steady) / seconds if seconds else None


def parts_ms(phases: Sequence[PhaseSteps]) -> dict[StepPart, float] | None:
    """Mean milliseconds of each part of a steady step; their sum is the mean step. None without `--detail`."""
    steady = [step for phase in phases for step, _ in phase.steady if step.parts]
    if not steady:
        return None
    return {part: 1e3 * statistics.fmean(step.parts[part] for step in steady) for part in steady[0].parts}


def _median_interval(times: Sequence[float]) -> tuple[float | None, float | None]:
    if len(times) < 2:
        return None, None
    if min(times) == max(times):
        return times[0], times[0]
    found = bootstrap(
        (np.asarray(times),),
        np.median,
        n_resamples=RESAMPLES,
        batch=max(1, RESAMPLED_AT_ONCE // len(times)),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
