"""Whether two cells differ, paired by seed and test example."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tlbench.stats.intervals import CONFIDENCE, Scores


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
