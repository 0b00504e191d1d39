"""Where a trial's wall time goes: spans that follow one another without a gap, so that they sum to the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Span = Literal["load", "measure", "features", "compile", "train", "validate", "evaluate", "robustness", "save"]
"""Model and data made ready; the probe of a step, and the way from the source; features of the frozen part computed or
found; the steps compiled (`--compile`); training steps; val looked at while training (`--select best`); val and test
predicted and scored; test under corruptions and other datasets
(`--corruptions`, `--test-on`); predictions written, figures summed up."""


class Spans:
    """A stopwatch that is always on, and always on one span."""

    def __init__(self) -> None:
        self.begun = self._since = time.perf_counter()
        self._span: Span = "load"
        self.seconds: dict[Span, float] = {}

    def enter(self, span: Span) -> None:
        """The running span ends and another one begins."""
        now = time.perf_counter()
        self.seconds[self._span] = self.seconds.get(self._span, 0.0) + now - self._since
        self._span, self._since = span, now

    @contextmanager
    def within(self, span: Span) -> Iterator[None]:
        """Another span for a while, then the running one again."""
        outer = self._span
        self.enter(span)
        try:
            yield
        finally:
            self.enter(outer)

    def end(self) -> float:
        """The last span ends; gives the seconds since the beginning."""
        self.enter(self._span)
        return self._since - self.begun
