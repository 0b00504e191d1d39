"""How one figure of a cell has changed, and what is certain of it."""

from __future__ import annotations

from dataclasses import dataclass

from tlbench.compare.side import Figure
from tlbench.stats import Verdict
from tlbench.stats.family import LEVEL, verdict_of


@dataclass(frozen=True)
class Change:
    """A figure of a pair of cells: medians over seeds (means of metrics), and what is known of their difference.

    `interval` is the 95 % interval of head less base (of a cost: of head over base). `p_value` is corrected for all
    pairs of the comparison; None where nothing is known of the spread. A change is certain where it is below `level`.
    `why_not` says why it can't be judged. `ratio` is head over base at equal pace of the machine; None where they are
    compared as they are.
    """

    figure: Figure
    base: float
    head: float
    interval: tuple[float, float] | None
    p_value: float | None
    p_margin: float | None = None
    why_not: str | None = None
    level: float = LEVEL
    ratio: float | None = None

    @property
    def difference(self) -> float:
        """Head less base; at equal pace of the machine, if `ratio` is known."""
        return self.head - self.base if self.ratio is None else self.base * (self.ratio - 1)

    @property
    def relative(self) -> float | None:
        """The difference as a share of the base; None of nothing."""
        return self.difference / abs(self.base) if self.base else None

    @property
    def certain(self) -> bool:
        """Whether there is a difference beyond what varies."""
        return self.why_not is None and self.p_value is not None and self.p_value < self.level and self.difference != 0

    @property
    def loss(self) -> float:
        """How much worse head is, in the figure's unit; below 0 it is better."""
        return -self.difference if self.figure.better == "higher" else self.difference

    @property
    def verdict(self) -> Verdict:
        """What head is, compared with base."""
        if self.why_not is not None:
            return "unknown"
        if self.figure.better is None and self.p_value is not None:
            return "tie"  # neither more nor less is better
        return verdict_of(-self.loss, self.p_value, self.p_margin, self.level)
