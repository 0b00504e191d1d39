"""What several seeds and a test sample say together: the interval of an accuracy, and whether two can be told apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
Z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
Correct = np.ndarray
"""For each test example of a trial, in the order of the test set, whether it was predicted correctly."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % interval; None where nothing is known of its spread."""

    mean: float
    half_width: float | None
    n: int


def accuracy_interval(
    accuracies: Sequence[float], test_images: int | None, correct: Sequence[Correct] | None = None
) -> Estimate:
    """The mean accuracy with an interval that has both the seeds and the test sample in it, added as variances.

    The seeds' part is Student's t · s / √n (none from a single seed); the test sample's is Wilson's (1927) half-width
    for the mean over seeds of each example's outcome, or where examples are not at hand for a share of the images.
    Where the number of images is not known, the seeds' part is all. Raises ValueError on no values.
    """
    if not accuracies:
        raise ValueError("there is no estimate from no values")
    mean, seeds = statistics.fmean(accuracies), len(accuracies)
    by_seed = t_half_width(accuracies) if seeds > 1 else None
    if test_images is None:
        return Estimate(mean, by_seed, seeds)
    spread2 = float(np.mean(correct, axis=0).var()) if correct else mean * (1 - mean)
    by_image = Z * math.sqrt(spread2 / test_images + Z**2 / (4 * test_images**2)) / (1 + Z**2 / test_images)
    return Estimate(mean, math.hypot(by_seed or 0.0, by_image), seeds)


def t_half_width(values: Sequence[float]) -> float:
    """Student's t(n - 1) · s / √n, for two values or more."""
    from scipy.stats import t  # slow to import, and only needed with several seeds

    quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def differ(ours: Mapping[int, Correct], theirs: Mapping[int, Correct]) -> bool:
    """Whether two cells' accuracies differ at the 5 % level, paired by seed and example."""
    return p_value(ours, theirs) < 1 - CONFIDENCE


def p_value(ours: Mapping[int, Correct], theirs: Mapping[int, Correct]) -> float:
    """How likely a difference of two cells' accuracies as large as theirs is by chance, paired by seed and example.

    With one seed in common, an exact McNemar test; with several, a t test of the mean difference whose variance is that
    over examples plus that over seeds (degrees of freedom: Satterthwaite 1946). Without a seed in common it is 1.
    """
    seeds = [seed for seed in ours if seed in theirs]
    difference = np.array([ours[seed].astype(float) - theirs[seed] for seed in seeds])
    if not seeds or not difference.any():
        return 1.0
    return _mcnemar(difference[0]) if len(seeds) == 1 else _paired_t(difference)


def _mcnemar(difference: np.ndarray) -> float:
    from scipy.stats import binomtest

    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    return float(binomtest(better, better + worse).pvalue)


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
    """Whether two accuracies differ by more than their intervals, where examples are not at hand to pair by."""
    if ours.half_width is None or theirs.half_width is None:
        return ours.mean != theirs.mean
    return abs(ours.mean - theirs.mean) > math.hypot(ours.half_width, theirs.half_width)
