"""What several seeds and a test sample say together: the interval of a metric, and whether two can be told apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
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


def differ(ours: Mapping[int, Scores], theirs: Mapping[int, Scores]) -> bool:
    """Whether two cells' primary metrics differ at the 5 % level, paired by seed and example."""
    return p_value(ours, theirs) < 1 - CONFIDENCE


def p_value(ours: Mapping[int, Scores], theirs: Mapping[int, Scores]) -> float:
    """How likely a difference of two cells' metrics as large as theirs is by chance, paired by seed and example.

    With one seed in common, an exact McNemar test of what is right or wrong, else a t test over examples; with several,
    a t test of the mean difference whose variance is that over examples plus that over seeds (degrees of freedom:
    Satterthwaite 1946). Without a seed in common it is 1.
    """
    seeds = [seed for seed in ours if seed in theirs]
    difference = np.array([ours[seed].astype(float) - theirs[seed] for seed in seeds])
    if not seeds or not difference.any():
        return 1.0
    if len(seeds) > 1:
        return _paired_t(difference)
    return _mcnemar(difference[0]) if set(np.unique(difference)) <= {-1.0, 0.0, 1.0} else _by_examples(difference[0])


def _mcnemar(difference: np.ndarray) -> float:
    from scipy.stats import binomtest

    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    return float(binomtest(better, better + worse).pvalue)


def _by_examples(difference: np.ndarray) -> float:
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(difference, 0.0).pvalue)


def _paired_t(difference: np.ndarray) -> float:
    """The two-sided p value for seeds × examples of differences."""
    from scipy.stats import t

    seeds, examples = difference.shape
    by_seed = float(difference.mean(1).var(ddof=1)) / seeds
    by_example = float(difference.mean(0).var(ddof=1)) / examples
    variance = by_seed + by_example
    if variance == 0:
        return 0.0
    freedom = variance**2 / (by_seed**2 / (seeds - 1) + by_example**2 / (examples - 1))
    return float(2 * t.sf(abs(float(difference.mean())) / math.sqrt(variance), freedom))


def differ_unpaired(ours: Estimate, theirs: Estimate) -> bool:
    """Whether two metrics differ by more than their intervals, where examples are not at hand to pair by."""
    if ours.half_width is None or theirs.half_width is None:
        return ours.mean != theirs.mean
    return abs(ours.mean - theirs.mean) > math.hypot(ours.half_width, theirs.half_width)
