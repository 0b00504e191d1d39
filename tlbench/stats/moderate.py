"""Variances over few seeds, each made surer by those of the other comparisons of a table."""

from __future__ import annotations

import numpy as np

FEWEST = 3
"""Variances from which something can be learned of how far they differ."""
SMALLEST = 1e-5
"""A variance below this share of the median counts as this, as one that is 0 by chance has no logarithm."""


def moderated(variances: np.ndarray, freedom: float, most: float) -> tuple[np.ndarray, float]:
    """Variances drawn towards what they have in common, and their degrees of freedom, `most` of these at most.

    Empirical Bayes as in Smyth (2004), Statistical Applications in Genetics and Molecular Biology 3, 3: how far the
    logarithms of the variances spread beyond what their own degrees of freedom explain says how much one tells of
    another. Variances of 0 are those of seeds that make no difference: they stay, and do not count.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    known = variances > 0
    if known.sum() < FEWEST or most <= freedom:
        return variances, freedom
    own = np.maximum(variances[known], SMALLEST * np.median(variances[known]))
    half = freedom / 2
    logarithms = np.log(own) - digamma(half) + np.log(half)
    beyond = float(logarithms.var(ddof=1) - polygamma(1, half))
    low, high = 1e-6, (most - freedom) / 2
    if beyond <= polygamma(1, high):  # they differ as little as if all were one
        prior, common = high, float(np.exp(logarithms.mean()))
    else:
        prior = float(brentq(lambda each: polygamma(1, each) - beyond, low, high)) if beyond < 1 / low**2 else low
        common = float(np.exp(logarithms.mean() + digamma(prior) - np.log(prior)))
    found = np.where(known, (2 * prior * common + freedom * variances) / (2 * prior + freedom), 0.0)
    return found, freedom + 2 * prior
