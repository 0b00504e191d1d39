"""How long training steps take, without the measuring slowing them down."""

from __future__ import annotations

import statistics
import time
from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict

WARMUP_STEPS = 3
"""The first steps of a trial's process pay for allocation, kernel choice and first touches; they stand apart."""


class StepTimes(BaseModel):
    """Milliseconds of the steps after warm-up: the middle, the spread, and how many there were."""

    model_config = ConfigDict(frozen=True)

    median: float
    p05: float
    p95: float
    n: int


class StepClock(Protocol):
    """Marks where steps begin and end; `resolve` gives the seconds of those marked since the last call."""

    def start(self) -> None:
        """A step begins."""

    def stop(self) -> None:
        """The step ends."""

    def resolve(self) -> list[float]:
        """Seconds of the steps since the last call; may wait for the device."""


class WallClock:
    """Steps of a device that computes in the foreground, by the monotonic clock."""

    def __init__(self) -> None:
        self._begun = 0
        self._seconds: list[float] = []

    def start(self) -> None:
        """A step begins."""
        self._begun = time.perf_counter_ns()

    def stop(self) -> None:
        """The step ends."""
        self._seconds.append((time.perf_counter_ns() - self._begun) / 1e9)

    def resolve(self) -> list[float]:
        """Seconds of the steps since the last call."""
        seconds, self._seconds = self._seconds, []
        return seconds


class SynchronizedClock(WallClock):
    """Steps of an accelerator without an event clock here (MPS): the wall, after waiting for the device."""

    def stop(self) -> None:
        """The step ends when the device has finished it."""
        torch.accelerator.synchronize()
        super().stop()


class CudaClock:
    """Steps on CUDA by pairs of events on the current stream: recording them waits for nothing."""

    def __init__(self) -> None:
        self._pairs: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def start(self) -> None:
        """A step begins."""
        begun = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        begun.record()
        self._pairs.append((begun, ended))

    def stop(self) -> None:
        """The step ends."""
        self._pairs[-1][1].record()

    def resolve(self) -> list[float]:
        """Seconds of the steps since the last call, after one wait for the device."""
        torch.cuda.synchronize()
        seconds = [begun.elapsed_time(ended) / 1e3 for begun, ended in self._pairs]
        self._pairs = []
        return seconds


def step_clock(device: torch.device) -> StepClock:
    """The clock for a device."""
    if device.type == "cuda":
        return CudaClock()
    return WallClock() if device.type == "cpu" else SynchronizedClock()


class StepLog:
    """All steps of a trial with their batch sizes, warm-up steps apart."""

    def __init__(self, warmup_steps: int = WARMUP_STEPS) -> None:
        self._warmup_steps = warmup_steps
        self._seconds: list[float] = []
        self._images: list[int] = []

    def add(self, seconds: list[float], images: list[int]) -> None:
        """Add an epoch's steps."""
        self._seconds += seconds
        self._images += images

    @property
    def warmup(self) -> tuple[int, float]:
        """How many steps count as warm-up, and their seconds. Where there are no more, none is steady."""
        seconds = self._seconds[: self._warmup_steps]
        return len(seconds), sum(seconds)

    def step_ms(self) -> StepTimes | None:
        """Times of the steady steps on a full batch; None where there is none."""
        full = max(self._images, default=0)
        steady = zip(self._seconds[self._warmup_steps :], self._images[self._warmup_steps :], strict=True)
        times = [seconds * 1e3 for seconds, images in steady if images == full]
        if not times:
            return None
        low, high = (times[0], times[0]) if len(times) == 1 else _percentiles(times)
        return StepTimes(median=statistics.median(times), p05=low, p95=high, n=len(times))

    def images_per_second(self) -> float | None:
        """Images of the steady steps over their seconds; None where there is no steady step."""
        seconds = sum(self._seconds[self._warmup_steps :])
        return sum(self._images[self._warmup_steps :]) / seconds if seconds else None


def _percentiles(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return cuts[0], cuts[-1]
