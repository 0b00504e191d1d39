"""Intervals and paired comparisons: against SciPy and statsmodels' formulas, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from tlbench.stats import Estimate, accuracy_interval, differ, differ_unpaired, t_half_width


@pytest.mark.parametrize("number", [2, 3, 5, 30])
def test_the_seeds_part_is_scipys(number: int) -> None:
    values = np.random.default_rng(number).normal(0.8, 0.05, number).tolist()
    low, high = scipy.stats.t.interval(0.95, number - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert t_half_width(values) == pytest.approx((high - low) / 2)
    assert accuracy_interval(values, None) == Estimate(pytest.approx(np.mean(values)), t_half_width(values), number)


@pytest.mark.parametrize(("right", "images"), [(61, 61), (0, 10), (50, 61), (830, 1000)])
def test_the_test_samples_part_is_wilsons(right: int, images: int) -> None:
    found = accuracy_interval([right / images], images)
    low, high = scipy.stats.binomtest(right, images).proportion_ci(method="wilson")
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-6)


def test_a_hundred_per_cent_of_61_images_is_not_certain() -> None:
    assert accuracy_interval([1.0, 1.0, 1.0], 61, [np.ones(61, bool)] * 3).half_width == pytest.approx(0.0296, abs=1e-4)


def test_both_parts_add_as_variances() -> None:
    values = [0.80, 0.83, 0.79]
    whole, seeds = accuracy_interval(values, 500), t_half_width(values)
    one = accuracy_interval([sum(values) / 3], 500)
    assert whole.half_width == pytest.approx(math.hypot(seeds, one.half_width or 0.0))


def outcomes(generator: np.random.Generator, shift: float, seeds: int, images: int, hard: np.ndarray) -> np.ndarray:
    """Seeds × images of right and wrong: images differ in how hard they are, several seeds in how well they went."""
    went = generator.normal(0, 0.2 if seeds > 1 else 0.0, (seeds, 1))
    return np.asarray(generator.random((seeds, images)) < 1 / (1 + np.exp(-(1.2 + shift + hard + went))))


def test_the_interval_covers_the_truth_in_some_95_of_100_cases() -> None:
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 2.0, 400_000)
    truth = float(outcomes(generator, 0.0, 40, 400_000, hard).mean())
    covered = []
    for _ in range(400):
        correct = outcomes(generator, 0.0, 3, 200, generator.choice(hard, 200))
        found = accuracy_interval(correct.mean(1).tolist(), 200, list(correct))
        assert found.half_width is not None
        covered.append(abs(found.mean - truth) <= found.half_width)
    assert 0.93 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_cells_are_told_apart_in_at_most_5_of_100_cases_and_unequal_ones_in_most(seeds: int) -> None:
    generator = np.random.default_rng(seeds)

    def told_apart(shift: float) -> float:
        found = []
        for _ in range(300):
            hard = generator.normal(0, 2.0, 500)
            ours, theirs = (outcomes(generator, each, seeds, 500, hard) for each in (0.0, shift))
            found.append(differ(dict(enumerate(ours)), dict(enumerate(theirs))))
        return float(np.mean(found))

    assert told_apart(0.0) <= 0.075  # 5 % and the simulation's own error
    assert told_apart(1.0) > 0.8


def test_one_seed_is_mcnemars_exact_test() -> None:
    ours, theirs = np.ones(40, bool), np.ones(40, bool)
    theirs[:5] = False
    assert scipy.stats.binomtest(5, 5).pvalue > 0.05
    assert not differ({0: ours}, {0: theirs})
    theirs[5] = False
    assert scipy.stats.binomtest(6, 6).pvalue < 0.05
    assert differ({0: ours}, {0: theirs})


def test_only_seeds_in_common_are_paired_and_none_is_no_difference() -> None:
    right, wrong = np.ones(40, bool), np.zeros(40, bool)
    assert differ({0: right, 1: right}, {1: wrong, 2: right})
    assert not differ({0: right}, {1: wrong})
    assert not differ({0: right}, {0: right})


def test_without_examples_the_intervals_decide() -> None:
    assert differ_unpaired(Estimate(0.9, 0.02, 3), Estimate(0.8, 0.02, 3))
    assert not differ_unpaired(Estimate(0.9, 0.08, 3), Estimate(0.8, 0.08, 3))


def test_no_values_raise() -> None:
    with pytest.raises(ValueError, match="no values"):
        accuracy_interval([], 10)
