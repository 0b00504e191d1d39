"""Intervals and paired comparisons: against SciPy and statsmodels' formulas, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from tlbench.stats import Estimate, differ, differ_unpaired, interval, p_value, t_half_width


@pytest.mark.parametrize("number", [2, 3, 5, 30])
def test_the_seeds_part_is_scipys(number: int) -> None:
    values = np.random.default_rng(number).normal(0.8, 0.05, number).tolist()
    low, high = scipy.stats.t.interval(0.95, number - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert t_half_width(values) == pytest.approx((high - low) / 2)
    expected = Estimate(pytest.approx(np.mean(values)), t_half_width(values), number)
    assert interval(values, None, share=True) == expected
    assert interval(values, 500) == expected  # nothing is known of the sample of a metric that is no share


@pytest.mark.parametrize(("right", "images"), [(61, 61), (0, 10), (50, 61), (830, 1000)])
def test_the_test_samples_part_is_wilsons(right: int, images: int) -> None:
    found = interval([right / images], images, share=True)
    low, high = scipy.stats.binomtest(right, images).proportion_ci(method="wilson")
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-6)


def test_a_hundred_per_cent_of_61_images_is_not_certain() -> None:
    found = interval([1.0, 1.0, 1.0], 61, [np.ones(61, bool)] * 3, share=True)
    assert found.half_width == pytest.approx(0.0296, abs=1e-4)


def test_both_parts_add_as_variances() -> None:
    values = [0.80, 0.83, 0.79]
    whole, seeds = interval(values, 500, share=True), t_half_width(values)
    one = interval([sum(values) / 3], 500, share=True)
    assert whole.half_width == pytest.approx(math.hypot(seeds, one.half_width or 0.0))


def errors(generator: np.random.Generator, seeds: int, images: int) -> np.ndarray:
    """Seeds × images of absolute errors, skewed as these are."""
    return np.asarray(generator.gamma(2.0, 3.0, (seeds, images)), np.float32)


def test_the_test_samples_part_of_scores_that_are_no_shares_is_the_normal_interval_of_their_mean() -> None:
    scores = errors(np.random.default_rng(0), 1, 80)
    found = interval([float(scores.mean())], 80, list(scores))
    error = scipy.stats.sem(scores[0].astype(float))
    low, high = scipy.stats.norm.interval(0.95, loc=scores.mean(), scale=error)
    assert found.mean == pytest.approx((low + high) / 2)
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-5)


def test_scores_of_several_seeds_are_averaged_image_by_image_and_the_seeds_part_added() -> None:
    scores = errors(np.random.default_rng(1), 3, 80)
    values = [float(each.mean()) for each in scores]
    of_images = scipy.stats.norm.ppf(0.975) * scipy.stats.sem(scores.astype(float).mean(0))
    found = interval(values, 80, list(scores))
    assert found.n == 3
    assert found.half_width == pytest.approx(math.hypot(t_half_width(values), of_images), rel=1e-5)


def test_one_image_or_no_scores_say_nothing_of_the_sample_of_a_metric_that_is_no_share() -> None:
    assert interval([2.5], 1, [np.array([2.5])]) == Estimate(2.5, None, 1)
    assert interval([2.5], 80) == Estimate(2.5, None, 1)
    assert interval([2.5], None) == Estimate(2.5, None, 1)


def test_the_interval_of_scores_covers_the_truth_in_some_95_of_100_cases() -> None:
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        scores = errors(generator, 1, 200)
        found = interval([float(scores.mean())], 200, list(scores))
        assert found.half_width is not None
        covered.append(abs(found.mean - 6.0) <= found.half_width)  # the mean of a gamma of shape 2 and scale 3
    assert 0.93 <= np.mean(covered) <= 0.97


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
        found = interval(correct.mean(1).tolist(), 200, list(correct), share=True)
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


def test_scores_of_one_seed_that_are_no_outcomes_are_a_t_test_over_images() -> None:
    generator = np.random.default_rng(3)
    ours, theirs = errors(generator, 2, 60)
    expected = scipy.stats.ttest_1samp(ours.astype(float) - theirs, 0.0).pvalue
    assert p_value({0: ours}, {0: theirs}) == pytest.approx(expected)
    assert differ({0: ours}, {0: theirs}) == (expected < 0.05)
    worse = theirs + 2.5
    assert p_value({4: ours}, {4: worse}) == pytest.approx(scipy.stats.ttest_rel(ours, worse).pvalue, rel=1e-4)
    assert differ({4: ours}, {4: worse})
    assert not differ({0: ours}, {0: ours})


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
        interval([], 10)
