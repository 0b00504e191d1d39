"""Change points: the best partition, seldom one in noise, those that are there, and a famous one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, rankdata
from statsmodels.datasets import nile

from tlbench.stats.change_points import (
    CERTAIN,
    FEWEST,
    SHORTEST,
    change_points,
    most_distinct,
    noise,
    partition,
    penalty,
)

Draw = Callable[[np.random.Generator, int], np.ndarray]

NOISES: dict[str, Draw] = {
    "normal": lambda random, number: random.normal(size=number),
    "student": lambda random, number: random.standard_t(3, size=number),
    "exponential": lambda random, number: random.exponential(size=number),
}


def cheapest_partition(series: np.ndarray) -> list[int]:
    """Optimal partitioning (Jackson et al. 2005): for each end, the best last segment of all that there are."""
    number, price = len(series), penalty(len(series)) * noise(series) ** 2
    best, last = [-price, *[np.inf] * number], [0] * (number + 1)
    for end in range(SHORTEST, number + 1):
        for begin in range(end - SHORTEST + 1):
            segment = series[begin:end]
            cost = best[begin] + float(((segment - segment.mean()) ** 2).sum()) + price
            if cost < best[end]:
                best[end], last[end] = cost, begin
    places, end = [], number
    while last[end] > 0:
        places.append(end := last[end])
    return places[::-1]


@pytest.mark.parametrize("shifts", range(5))
@pytest.mark.parametrize("number", [8, 23, 60])
def test_the_partition_is_the_one_that_an_exhaustive_search_finds(number: int, shifts: int) -> None:
    for seed in range(20):
        random = np.random.default_rng([number, shifts, seed])
        series = 3e8 + 1e5 * random.normal(size=number)  # far from 0, as bytes of memory are
        for place in random.integers(number, size=shifts):
            series[place:] += 1e5 * random.normal(scale=4)
        assert partition(series) == cheapest_partition(series)


def test_the_nile_changed_in_1898() -> None:
    """Cobb (1978), Biometrika 65, 243: the flow fell after 1898, and so it was to stay."""
    found = nile.load_pandas().data
    (change,) = change_points(found["volume"])
    assert found["year"][change.place] == 1899
    assert change.p_value < 0.001


@pytest.mark.parametrize("name", NOISES)
def test_noise_alone_seldom_has_a_change(name: str) -> None:
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng([1, seed])
        alarms += bool(change_points(NOISES[name](random, 10 + seed % 51)))
    assert alarms <= 10


@pytest.mark.parametrize("place", [5, 15, 25])
def test_a_shift_of_three_standard_deviations_is_found_within_a_run(place: int) -> None:
    found = 0
    for seed in range(200):
        series = np.random.default_rng([2, seed]).normal(size=30)
        series[place:] += 3
        found += any(abs(each.place - place) <= 1 for each in change_points(series))
    assert found >= 180


def test_two_changes_are_both_found() -> None:
    series = np.random.default_rng(1).normal(size=45)
    series[15:30] += 6
    assert [each.place for each in change_points(series)] == [15, 30]


def test_values_without_noise_change_where_they_change() -> None:
    assert [each.place for each in change_points([3.0] * 5 + [4.0] * 4)] == [5]
    assert change_points([3.0] * 20) == []


def test_one_value_that_is_far_off_is_no_change() -> None:
    for place in range(30):
        series = np.random.default_rng(1).normal(size=30)
        series[place] = 1e3
        assert change_points(series) == []


def test_few_values_have_none_as_their_orders_are_too_few() -> None:
    """Of 4 low and 5 high values, 2 of the 126 arrangements are as distinct; of 4 and 4, 2 of 70 are."""
    (change,) = change_points([0.0] * 4 + [9.0] * 5)
    assert change.p_value == pytest.approx(2 / 126, rel=0.25)  # by random orders
    assert 2 / 126 < CERTAIN < 2 / 70
    assert change_points([0.0] * 4 + [9.0] * 4) == [] and FEWEST == 9


def test_the_statistic_is_the_most_distinct_of_all_splits_by_mann_and_whitney() -> None:
    series = np.random.default_rng(0).normal(size=12)
    expected = []
    for place in range(SHORTEST, 12 - SHORTEST + 1):
        u = mannwhitneyu(series[:place], series[place:]).statistic
        expected.append(abs(u - place * (12 - place) / 2) / np.sqrt(place * (12 - place)))
    assert most_distinct(rankdata(series)) == pytest.approx(max(expected))
