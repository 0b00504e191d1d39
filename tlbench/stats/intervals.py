"""What several seeds and a test sample say together: the interval of a metric."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cache

import numpy as np

from tlbench.stats.sample import Sample
from tlbench.stats.spread import CONFIDENCE

RESAMPLES = 10_000
FEW = 64
"""Distinct scores up to which resampling the examples is one multinomial draw of their numbers."""
DRAWN_AT_ONCE = 2**22
PLUS_FOUR = (0.0, 0.0, 1.0, 1.0)
"""Two examples wrong and two right, added to those of a share (Agresti & Coull 1998): 61 of 61 is not certain."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % interval; None where nothing is known of its spread."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """How far the interval goes from the mean, in the direction in which it goes farther."""
        return None if self.low is None or self.high is None else max(self.mean - self.low, self.high - self.mean)


def interval(sample: Sample) -> Estimate:
    """The mean of a metric over seeds, with an interval that has both the seeds and the test sample in it.

    A hierarchical bootstrap (percentiles of 10,000 resamples, the same at every call): test examples are drawn again,
    with what all seeds made of them, and to their mean is added the error that the few seeds leave, from Student's t
    with their number less one degrees of freedom. Seeds themselves drawn again would give intervals that hold the mean
    too seldom: three seeds that differ by more than the test sample explains, in some 83 of 100 cases
    (tests/stats/test_coverage.py). Of one seed, the interval has the test sample alone. Raises ValueError on no values.
    """
    if not sample.values:
        raise ValueError("there is no estimate from no values")
    values = list(sample.values.values())
    mean, seeds = statistics.fmean(values), len(values)
    drawn = _examples(sample, mean)
    if drawn is None and seeds == 1:
        return Estimate(mean, None, None, seeds)
    if drawn is None:
        drawn = np.full(RESAMPLES, mean)
    if seeds > 1:
        drawn = drawn + _student(seeds - 1, len(drawn)) * statistics.stdev(values) / seeds**0.5
    low, high = (float(each) for each in np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    if sample.share:
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(mean, min(low, mean), max(high, mean), seeds)


def _examples(sample: Sample, mean: float) -> np.ndarray | None:
    """The mean over examples drawn again and again; None where nothing is known of the sample."""
    if sample.whole:
        of_example = np.mean(list(sample.scores.values()), axis=0, dtype=float)
        found = of_example if len(of_example) > 1 or sample.share else None
    elif sample.share and sample.examples:
        right = round(mean * sample.examples)
        found = np.repeat([0.0, 1.0], [sample.examples - right, right])
    else:
        found = None
    if found is None:
        return None
    if sample.share:
        found = np.append(found, PLUS_FOUR)
    values, numbers = np.unique(found, return_counts=True)
    if len(values) > FEW:
        return _drawn(found)
    drawn: np.ndarray = np.random.default_rng(0).multinomial(len(found), numbers / len(found), RESAMPLES)
    return drawn @ (values / len(found))


def _drawn(scores: np.ndarray) -> np.ndarray:
    """The means of resamples of scores that are all different, so many at once as memory allows."""
    generator = np.random.default_rng(0)
    number = max(1_000, min(RESAMPLES, 10 * DRAWN_AT_ONCE // len(scores)))
    at_once = max(1, DRAWN_AT_ONCE // len(scores))
    sizes = [min(at_once, number - done) for done in range(0, number, at_once)]
    return np.concatenate([scores[generator.integers(len(scores), size=(n, len(scores)))].mean(1) for n in sizes])


@cache
def _student(freedom: int, number: int) -> np.ndarray:
    """As many values of Student's t, at even distances of probability, in a random order."""
    from scipy.special import stdtrit  # scipy.stats takes four times as long to import

    return np.random.default_rng(1).permutation(stdtrit(freedom, (np.arange(number) + 0.5) / number))
