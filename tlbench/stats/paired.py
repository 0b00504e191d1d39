"""Whether two cells differ, paired by seed and test example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlbench.stats.moderate import moderated
from tlbench.stats.sample import Sample
from tlbench.stats.spread import CONFIDENCE, Spread, crossed

LARGE = 10**9
"""Degrees of freedom of a normal variate."""


@dataclass(frozen=True)
class Difference:
    """Our metric less theirs, over what both have measured.

    `seeds` are those in common and `paired` says that test examples were, too. `p_value` is of no difference; None, as
    `spread`, where nothing is known of how far either varies. `least` is what it is at least, as few examples are not
    normal.
    """

    value: float
    spread: Spread | None
    p_value: float | None
    seeds: int
    paired: bool
    least: float = 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference."""
        if self.spread is None:
            return None
        reach = self.spread.reach((1 - CONFIDENCE) / 2)
        return self.spread.mean - reach, self.spread.mean + reach

    def within(self, margin: float) -> float | None:
        """The p value of the difference being as large as a margin, by two one-sided tests."""
        return None if self.spread is None else self.spread.within(margin)

    def reversed(self) -> Difference:
        """Their metric less ours."""
        spread = None if self.spread is None else replace(self.spread, mean=-self.spread.mean)
        return replace(self, value=-self.value, spread=spread)


def difference(ours: Sample, theirs: Sample) -> Difference:
    """The difference of two cells' metrics, paired by seed and test example where they have these in common.

    One seed in common, of right and wrong: McNemar's exact test, with the interval of Bonett & Price (2012). Several:
    the spread of the differences over seeds and examples (`crossed`); where the test of all seeds' rights and wrongs as
    if they were independent is less sure, that one, as few examples are not normal. Seeds whose differences are all
    equal count as one. Without predictions, or without a seed in common, the two are taken for independent.
    """
    seeds = [seed for seed in ours.scores if seed in theirs.scores]
    ours_scores, theirs_scores = ([side.scores[seed] for seed in seeds] for side in (ours, theirs))
    if not seeds or len({len(each) for each in (*ours_scores, *theirs_scores)}) > 1:
        return _independent(ours, theirs)
    differences = np.stack(ours_scores).astype(float) - np.stack(theirs_scores)
    value = float(differences.mean())
    if (differences == differences[0]).all():
        differences = differences[:1]
    outcomes = all(set(np.unique(each)) <= {0, 1} for each in (*ours_scores, *theirs_scores))
    better, worse = (np.array([(sign * differences > 0).sum()]) for sign in (1, -1))
    least = float(mcnemar(better, worse)[0]) if outcomes else 0.0
    if len(differences) == 1 and outcomes:
        apart, variance = adjusted(better, worse, differences.shape[1])
        return Difference(value, Spread(float(apart[0]), 0.0, float(variance[0]), 0.0, LARGE), least, len(seeds), True)
    if not differences.any():
        return Difference(0.0, crossed(differences), 1.0, len(seeds), True)
    spread = crossed(differences)
    return Difference(value, spread, max(spread.two_sided(), least), len(seeds), paired=True, least=least)


def moderate(found: Sequence[Difference]) -> list[Difference]:
    """The differences of unlike pairs of cells, the variances over seeds made surer by each other (`moderated`)."""
    places = [place for place, each in enumerate(found) if each.paired and each.spread and each.spread.by_seed > 0]
    if len({found[place].seeds for place in places}) != 1:
        return list(found)
    variances = np.array([spread.by_seed for place in places if (spread := found[place].spread)])
    seeds = found[places[0]].seeds
    by_seed, freedom = moderated(variances, seeds - 1.0, len(places) * (seeds - 1.0))
    surer = list(found)
    for place, variance in zip(places, by_seed, strict=True):
        each = found[place]
        assert each.spread is not None
        spread = replace(each.spread, by_seed=float(variance), freedom=freedom)
        surer[place] = replace(each, spread=spread, p_value=max(spread.two_sided(), each.least))
    return surer


def _independent(ours: Sample, theirs: Sample) -> Difference:
    first, second = ours.spread(), theirs.spread()
    if first is None or second is None:
        means = [sum(each.values.values()) / len(each.values) for each in (ours, theirs)]
        return Difference(means[0] - means[1], None, None, 0, paired=False)
    spread = first.less(second)
    return Difference(spread.mean, spread, spread.two_sided(), 0, paired=False)


def mcnemar(better: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """The p values of McNemar's exact test, of how often each pair is right where the other is wrong."""
    from scipy.special import bdtr

    fewer, both = np.rint(np.minimum(better, worse)), np.rint(better + worse).astype(int)
    found: np.ndarray = np.minimum(1.0, 2 * bdtr(fewer, both, 0.5))
    return found


def adjusted(better: np.ndarray, worse: np.ndarray, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences of paired shares and their variances, a pair added for better and for worse (Bonett & Price 2012)."""
    shares = (better + 1) / (examples + 2), (worse + 1) / (examples + 2)
    apart = shares[0] - shares[1]
    return apart, (shares[0] + shares[1] - apart**2) / (examples + 2)
