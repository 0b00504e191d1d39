"""Numbers that a strategy logs while it trains, as curves over the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

MOST_POINTS = 1000
"""Of a curve; beyond it every second point is dropped, and from then on every second is kept."""


@dataclass
class Curve:
    """Points in the order in which they were logged: phase (from 0), steps done in it, value (None if not finite)."""

    phases: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    logged: int = 0
    every: int = 1

    def add(self, phase: int, step: int, value: float) -> None:
        """Log a point."""
        if self.logged % self.every == 0:
            self.phases.append(phase)
            self.steps.append(step)
            self.values.append(value if math.isfinite(value) else None)
        self.logged += 1
        if len(self.values) > MOST_POINTS:
            self.phases, self.steps, self.values = self.phases[::2], self.steps[::2], self.values[::2]
            self.every *= 2


def number_of(name: object, value: object) -> float:
    """A logged value as a number; raises TypeError where it is none, or the name is no text."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"the name of what is logged is {name!r}; it must be a text")
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value.detach())
    if isinstance(value, float | int):
        return float(value)
    raise TypeError(f"the logged value {name!r} is a {type(value).__name__}; it must be a number or a tensor with one")
