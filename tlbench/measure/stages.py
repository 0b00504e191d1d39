"""Where a trial's wall time goes: stages that follow one another without a gap, so that they sum to the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["load", "measure", "features", "compile", "train", "validate", "evaluate", "save"]
"""Model and data made ready; the probe of a step, and the way from the source; features of the frozen part computed or
found; the steps compiled (`--compile`); training steps; val looked at while training (`--select best`); val and test
predicted and scored; predictions written, figures summed up."""


class Stages:
    """A stopwatch that is always on, and always on one stage."""

    def __init__(self) -> None:
        self.begun = self._since = time.perf_counter()
        self._stage: Stage = "load"
        self.seconds: dict[Stage, float] = {}

    def enter(self, stage: Stage) -> None:
        """The running stage ends and another one begins."""
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now

    @contextmanager
    def within(self, stage: Stage) -> Iterator[None]:
        """Another stage for a while, then the running one again."""
        outer = self._stage
        self.enter(stage)
        try:
            yield
        finally:
            self.enter(outer)

    def end(self) -> float:
        """The last stage ends; gives the seconds since the beginning."""
        self.enter(self._stage)
        return self._since - self.begun
