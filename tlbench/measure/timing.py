"""Clocks for training steps: they mark where a step and its parts begin and end, and make it wait for nothing."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch

StepPart = Literal["data", "forward", "backward", "optimizer"]
"""What a step is made of, in this order: the batch fetched and normalised, the loss, its gradient, the update."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step; with `detail`, those of its parts too, which sum to it."""

    seconds: float
    parts: dict[StepPart, float] = field(default_factory=dict)


class StepClock(typing.Protocol):
    """Marks a step's begin, the end of each of its parts, and its end with the last part."""

    def start(self) -> None:
        """A step begins."""

    def lap(self, part: StepPart) -> None:
        """A part ends, and the next begins."""

    def stop(self, part: StepPart) -> None:
        """The last part ends, and the step with it."""

    def resolve(self) -> list[StepTime]:
        """The steps since the last call; may wait for the device."""


class WallClock:
    """Steps of a device that computes in the foreground (the CPU), by the monotonic clock."""

    def __init__(self, detail: bool = False) -> None:
        self._detail = detail
        self._begun = 0
        self._laps: list[tuple[StepPart, int]] = []
        self._steps: list[StepTime] = []

    def start(self) -> None:
        """A step begins."""
        self._laps = []
        self._begun = time.perf_counter_ns()

    def lap(self, part: StepPart) -> None:
        """A part ends."""
        if self._detail:
            self._laps.append((part, time.perf_counter_ns()))

    def stop(self, part: StepPart) -> None:
        """The step ends."""
        end = time.perf_counter_ns()
        parts: dict[StepPart, float] = {}
        if self._detail:
            laps = [*self._laps, (part, end)]
            marks = [self._begun, *(mark for _, mark in laps)]
            parts = {name: (after - before) / 1e9 for (name, _), (before, after) in zip(laps, pairwise(marks))}  # noqa: B905
        self._steps.append(StepTime((end - self._begun) / 1e9, parts))

    def resolve(self) -> list[StepTime]:
        """The steps since the last call."""
        steps, self._steps = self._steps, []
        return steps


class EventClock:
    """Steps of a device that computes behind the caller's back (CUDA, MPS), by events on its current stream.

    Recording an event waits for nothing; `resolve`, once an epoch, waits for the device and reads them all.
    """

    def __init__(self, new_event: Callable[[], Any], synchronize: Callable[[], None], detail: bool = False) -> None:
        self._new_event = new_event
        self._synchronize = synchronize
        self._detail = detail
        self._steps: list[list[tuple[StepPart | None, Any]]] = []

    def start(self) -> None:
        """A step begins."""
        self._steps.append([(None, self._mark())])

    def lap(self, part: StepPart) -> None:
        """A part ends."""
        if self._detail:
            self._steps[-1].append((part, self._mark()))

    def stop(self, part: StepPart) -> None:
        """The step ends."""
        self._steps[-1].append((part, self._mark()))

    def resolve(self) -> list[StepTime]:
        """The steps since the last call, after one wait for the device."""
        self._synchronize()
        steps, self._steps = self._steps, []
        return [self._read(marks) for marks in steps]

    def _mark(self) -> Any:
        event = self._new_event()
        event.record()
        return event

    def _read(self, marks: list[tuple[StepPart | None, Any]]) -> StepTime:
        parts: dict[StepPart, float] = {}
        if self._detail:
            for (_, before), (part, after) in pairwise(marks):
                if part is not None:
                    parts[part] = before.elapsed_time(after) / 1e3
        return StepTime(marks[0][1].elapsed_time(marks[-1][1]) / 1e3, parts)


def wait_for(device: torch.device) -> None:
    """Wait until a device that computes behind the caller's back has done all that it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def step_clock(device: torch.device, detail: bool = False) -> StepClock:
    """The clock for a device."""
    if device.type == "cuda":
        return EventClock(lambda: torch.cuda.Event(enable_timing=True), torch.cuda.synchronize, detail)  # type: ignore[no-untyped-call]
    if device.type == "mps":
        return EventClock(lambda: torch.mps.Event(enable_timing=True), torch.mps.synchronize, detail)
    return WallClock(detail)
