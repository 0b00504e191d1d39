"""Statistics of metrics over seeds and test examples: intervals, paired tests, ranks, what a run could have found."""

from __future__ import annotations

from tlbench.stats.family import Family, Pair, Verdict, family, holm
from tlbench.stats.intervals import Estimate, interval
from tlbench.stats.paired import Difference, difference, moderate
from tlbench.stats.sample import Sample, Scores
from tlbench.stats.spread import Spread, crossed

__all__ = [
    "Difference",
    "Estimate",
    "Family",
    "Pair",
    "Sample",
    "Scores",
    "Spread",
    "Verdict",
    "crossed",
    "difference",
    "family",
    "holm",
    "interval",
    "moderate",
]
