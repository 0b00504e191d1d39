"""How well a mean over seeds and test examples is known, where both are drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
GRID = np.linspace(-36.0, 9.0, 451)
"""Logarithms of chi² over its degrees of freedom, over which the tail is integrated."""
AT_ONCE = 4096
"""Tails that are integrated together."""


def tails(
    distances: np.ndarray, by_seed: np.ndarray, by_example: np.ndarray, freedom: np.ndarray, examples: np.ndarray
) -> np.ndarray:
    """For each of as many means, the probability that it is off by its distance or more in one direction.

    The other arguments are the fields of `Spread`.
    """
    from scipy.special import ndtr, stdtr

    found = np.where(distances > 0, 0.0, np.where(distances < 0, 1.0, 0.5))
    alone = (by_seed <= 0) & (by_example > 0)
    found[alone] = stdtr(np.maximum(examples[alone] - 1, 1), -distances[alone] / np.sqrt(by_example[alone]))
    (places,) = np.nonzero(by_seed > 0)
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        deviations = np.sqrt(by_seed[some, None] / np.exp(GRID) + by_example[some, None])
        weights = _chi2(freedom[some, None])
        found[some] = (ndtr(-distances[some, None] / deviations) * weights).sum(1)
    return found


def _chi2(freedom: np.ndarray) -> np.ndarray:
    """The weights of the grid's values of chi² over its degrees of freedom.

    Student's t is a mixture of normal variates over these.
    """
    half = freedom / 2
    logarithms = half * (GRID - np.exp(GRID))
    weights = np.exp(logarithms - logarithms.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


@dataclass(frozen=True)
class Spread:
    """A mean of seeds × examples, and the variance that each of the two gives it.

    `by_seed` has `freedom` degrees of freedom (0 where there is one seed, whose spread is unknown), `by_example` so
    many that it is taken for known. The mean's error is distributed as the sum of Student's t and a normal variate, as
    in the problem of Behrens and Fisher: with few seeds, degrees of freedom by Satterthwaite find too many differences.
    """

    mean: float
    by_seed: float
    by_example: float
    freedom: float
    examples: int

    @property
    def variance(self) -> float:
        """The variance of the mean."""
        return self.by_seed + self.by_example

    def tail(self, distance: float) -> float:
        """The probability that the mean is off by `distance` or more in one direction."""
        facts = (distance, self.by_seed, self.by_example, self.freedom, self.examples)
        return float(tails(*(np.array([float(each)]) for each in facts))[0])

    def reach(self, probability: float) -> float:
        """The distance that the mean is off by in one direction with a probability below one half."""
        from scipy.optimize import brentq

        if self.variance <= 0:
            return 0.0
        high = math.sqrt(self.variance)
        while self.tail(high) > probability:
            high *= 2
        return float(brentq(lambda distance: self.tail(distance) - probability, 0.0, high, rtol=1e-6))

    def two_sided(self) -> float:
        """The p value of the mean being 0."""
        return min(1.0, 2 * self.tail(abs(self.mean)))

    def within(self, margin: float) -> float:
        """The p value of the mean being `margin` or more from 0: two one-sided tests (Schuirmann 1987)."""
        return max(self.tail(margin - self.mean), self.tail(margin + self.mean))

    def less(self, other: Spread) -> Spread:
        """The difference of two means that have neither seeds nor examples in common."""
        by_seed, parts = self.by_seed + other.by_seed, (self, other)
        known = sum(each.by_seed**2 / each.freedom for each in parts if each.by_seed > 0)
        return Spread(
            mean=self.mean - other.mean,
            by_seed=by_seed,
            by_example=self.by_example + other.by_example,
            freedom=by_seed**2 / known if known > 0 else 0.0,  # Satterthwaite (1946), Welch (1947)
            examples=min(self.examples, other.examples),
        )


def crossed(scores: np.ndarray) -> Spread:
    """The spread of the mean of a seeds × examples array, every seed having seen all examples.

    The variances follow from the mean squares of a two-way layout of random seeds and random examples, as in
    Hillis (2007), Statistics in Medicine 26, 596: what seeds and examples have in common (an image that one seed gets
    right and another one wrong) is in the part of the seeds alone.
    """
    found = scores.astype(float)
    seeds, examples = found.shape
    mean, of_example = float(found.mean()), found.mean(0)
    across = float(of_example.var(ddof=1)) / examples if examples > 1 else 0.0
    if seeds == 1:
        return Spread(mean, 0.0, across, 0.0, examples)
    of_seed = found.mean(1)
    rest = found - of_seed[:, None] - of_example + mean
    common = float((rest**2).sum()) / ((seeds - 1) * max(examples - 1, 1)) / (seeds * examples)
    by_seed = float(of_seed.var(ddof=1)) / seeds
    by_example = max(across - common, common - by_seed, 0.0)  # by chance, the seeds' means can agree too well
    return Spread(mean, by_seed, by_example, seeds - 1.0, examples)
