"""Where a series changes its mean: the best partition, each of whose points chance alone would hardly give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

CERTAIN = 0.02
"""The level of the test of a change, so low as its place is chosen among many: of series of noise, 5 % have one."""
FEWEST = 9
"""Values from which a change can be certain: of 4 low and 4 high ones, 2 of the 70 arrangements are as distinct."""
SHORTEST = 2
"""Values that a mean holds for at least; one alone is an outlier."""
MOST = 30
"""Changes that are looked for at most."""
PERMUTATIONS = 4_999
MAD_OF_NORMAL = 0.6745
"""The median absolute deviation of a normal variate whose standard deviation is 1."""


@dataclass(frozen=True)
class ChangePoint:
    """A change of the mean: the number of the first value after it, and the p value of there being none."""

    place: int
    p_value: float


def why_not(number: int) -> str | None:
    """Why a series of so many values has no change points to be looked for; None where it has."""
    if number < FEWEST:
        return f"too few runs ({number} of {FEWEST})"
    if find_spec("ruptures") is None:  # it has releases for some versions of Python alone
        return "ruptures is not installed (pip install ruptures)"
    return None


def change_points(values: Sequence[float]) -> list[ChangePoint]:
    """The changes of a series' mean, in order; none in a series of fewer than `FEWEST` values.

    The partition has the least squared distances to the segments' means, at a penalty for each change (BIC, Yao 1988).
    The noise that the penalty is of is known from neighbours' differences, which a change of the mean hardly touches.
    Then each point is tested in the two segments that it parts, by permutations of their values; the least certain one
    is dropped until all are certain.
    """
    series = np.asarray(values, dtype=float)
    places = partition(series) if len(series) >= FEWEST else []
    while places:
        bounds = [0, *places, len(series)]
        p_values = [_p_value(series[first:last]) for first, last in zip(bounds, bounds[2:], strict=False)]
        least_certain = int(np.argmax(p_values))
        if p_values[least_certain] < CERTAIN:
            return [ChangePoint(*each) for each in zip(places, p_values, strict=True)]
        del places[least_certain]
    return []


def partition(series: np.ndarray) -> list[int]:
    """The first places of all segments but the first, of the partition that costs least; none of equal values.

    Of each number of changes the best partition by dynamic programming: with a shortest segment, ruptures' Pelt drops
    candidates that it would need, and now and then misses the best.
    """
    from ruptures import KernelCPD  # imports scipy.signal and scipy.stats

    deviation = noise(series)
    if deviation == 0:
        return []
    standardised = (series - np.median(series)) / deviation  # the squares of large values would lose digits
    most = min(MOST, len(series) // SHORTEST - 1)
    search = KernelCPD("linear", min_size=SHORTEST).fit(standardised)
    search.predict(n_bkps=most)  # finds those of fewer changes, too
    found = [[], *(search.predict(n_bkps=number)[:-1] for number in range(1, most + 1))]
    best = min(found, key=lambda places: _distances(standardised, places) + penalty(len(series)) * len(places))
    return [int(place) for place in best]


def _distances(series: np.ndarray, places: Sequence[int]) -> float:
    """The sum of squared distances to the segments' means."""
    return float(sum(((part - part.mean()) ** 2).sum() for part in np.split(series, places)))


def penalty(number: int) -> float:
    """What a change costs in a series of so many values, in squared standard deviations: it has a mean and a place."""
    return float(2 * np.log(number))


def noise(series: np.ndarray) -> float:
    """The standard deviation within segments, from the differences of neighbours: robust, if not most are equal."""
    apart = np.diff(series) / np.sqrt(2)
    robust = float(np.median(np.abs(apart))) / MAD_OF_NORMAL
    return robust if robust > 0 else float(np.sqrt(np.mean(apart**2)))


def _p_value(series: np.ndarray) -> float:
    """How often an order by chance has a split as distinct as the most distinct one of the series."""
    from scipy.stats import permutation_test, rankdata

    found = permutation_test(
        (rankdata(series),),
        most_distinct,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=PERMUTATIONS,
        batch=1_000,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def most_distinct(ranks: np.ndarray, axis: int = -1) -> Any:
    """The largest standardised distance of a split's rank sum from the expected one, over all splits (… × values).

    Ranks, as a single value that is far off would otherwise decide.
    """
    centred = np.moveaxis(ranks, axis, -1)
    number = centred.shape[-1]
    sums = np.cumsum(centred - (number + 1) / 2, axis=-1)[..., SHORTEST - 1 : number - SHORTEST]
    before = np.arange(SHORTEST, number - SHORTEST + 1)
    return np.abs(sums / np.sqrt(before * (number - before))).max(-1)
