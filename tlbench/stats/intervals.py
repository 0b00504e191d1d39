"""What several seeds and a test sample say together: the interval of a metric."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
Z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
Scores = np.ndarray
"""For each test example of a trial, in the order of the test set, its share in the primary metric."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % interval; None where nothing is known of its spread."""

    mean: float
    half_width: float | None
    n: int


def interval(
    values: Sequence[float], examples: int | None, scores: Sequence[Scores] | None = None, *, share: bool = False
) -> Estimate:
    """The mean of a metric over seeds, with an interval that has both the seeds and the test sample in it.

    They are added as variances. The seeds' part is Student's t · s / √n (none from a single seed). The test sample's
    is that of the mean over seeds of each example's score: where these are shares in 0..1 (`share`), Wilson's (1927)
    half-width, or where scores are not at hand that of a share of `examples`; else z · s / √n over examples. Where
    nothing is known of the sample, the seeds' part is all. Raises ValueError on no values.
    """
    if not values:
        raise ValueError("there is no estimate from no values")
    mean, seeds = statistics.fmean(values), len(values)
    by_seed = t_half_width(values) if seeds > 1 else None
    by_example = _by_example(mean, examples, scores, share)
    if by_example is None:
        return Estimate(mean, by_seed, seeds)
    return Estimate(mean, math.hypot(by_seed or 0.0, by_example), seeds)


def _by_example(mean: float, examples: int | None, scores: Sequence[Scores] | None, share: bool) -> float | None:
    """The half-width that the test sample alone gives."""
    if examples is None or not (share or scores):
        return None
    spread2 = float(np.mean(scores, axis=0, dtype=float).var()) if scores else mean * (1 - mean)
    if share:
        return Z * math.sqrt(spread2 / examples + Z**2 / (4 * examples**2)) / (1 + Z**2 / examples)
    return Z * math.sqrt(spread2 / (examples - 1)) if examples > 1 else None


def t_half_width(values: Sequence[float]) -> float:
    """Student's t(n - 1) · s / √n, for two values or more."""
    from scipy.stats import t  # slow to import, and only needed with several seeds

    quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def differ_unpaired(ours: Estimate, theirs: Estimate) -> bool:
    """Whether two metrics differ by more than their intervals, where examples are not at hand to pair by."""
    if ours.half_width is None or theirs.half_width is None:
        return ours.mean != theirs.mean
    return abs(ours.mean - theirs.mean) > math.hypot(ours.half_width, theirs.half_width)
