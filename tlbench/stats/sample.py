"""What a cell's seeds measured: the metric of each, and each test example's share in it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tlbench.stats.spread import Spread, crossed

Scores = np.ndarray
"""For each test example of a trial, in the order of the test set, its share in the primary metric."""


@dataclass(frozen=True)
class Sample:
    """The metric of each seed; `scores`, by seed, where predictions are at hand; how many test examples there are.

    `share` says that the metric is a share of examples, so that its spread over examples is known without scores.
    """

    values: Mapping[int, float]
    scores: Mapping[int, Scores] = field(default_factory=dict)
    examples: int | None = None
    share: bool = False

    @property
    def whole(self) -> bool:
        """Whether the scores of every seed are at hand, over the same examples."""
        return self.scores.keys() == self.values.keys() and len({len(each) for each in self.scores.values()}) == 1

    def spread(self) -> Spread | None:
        """How well the mean over seeds is known; None where nothing is known of its spread. Raises on no values."""
        if self.whole:
            found = np.stack([self.scores[seed] for seed in self.values])
            if found.shape[1] > 1 or len(found) > 1:
                return crossed(found)
        values = list(self.values.values())
        mean = statistics.fmean(values)
        by_seed = statistics.variance(values) / len(values) if len(values) > 1 else 0.0
        by_example = mean * (1 - mean) / self.examples if self.share and self.examples else 0.0
        if len(values) == 1 and not (self.share and self.examples):
            return None
        return Spread(mean, by_seed, by_example, len(values) - 1.0, self.examples or 1)
