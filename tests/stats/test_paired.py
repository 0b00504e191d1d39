"""The difference of two cells: against statsmodels', SciPy's and the layout's own mean squares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar

from tlbench.stats import Difference, Sample, Spread, crossed, difference, moderate
from tlbench.stats.pairwise import differences, moments


def of(scores: np.ndarray, *seeds: int, share: bool = True) -> Sample:
    """A cell whose seeds, from 0 if none are named, have these scores."""
    numbers = seeds or range(len(scores))
    return Sample(
        {seed: float(each.mean()) for seed, each in zip(numbers, scores, strict=True)},
        dict(zip(numbers, scores, strict=True)),
        scores.shape[1],
        share,
    )


def outcomes(generator: np.random.Generator, seeds: int, images: int, chance: float = 0.8) -> np.ndarray:
    return np.asarray(generator.random((seeds, images)) < chance)


def test_one_seed_of_right_and_wrong_is_mcnemars_exact_test() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = outcomes(generator, 2, 200)
    table = [[(ours & theirs).sum(), (ours & ~theirs).sum()], [(~ours & theirs).sum(), (~ours & ~theirs).sum()]]
    found = difference(of(ours[None]), of(theirs[None]))
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.value == pytest.approx(ours.mean() - theirs.mean())


def test_five_images_for_and_none_against_is_no_difference_and_six_are() -> None:
    theirs = np.ones((1, 40), bool)
    ours = theirs.copy()
    ours[0, :5] = False
    assert difference(of(theirs), of(ours)).p_value == pytest.approx(0.0625)
    ours[0, 5] = False
    assert difference(of(theirs), of(ours)).p_value == pytest.approx(0.03125)


def test_the_interval_of_one_seed_is_bonett_and_prices() -> None:
    ours, theirs = np.ones((1, 40), bool), np.ones((1, 40), bool)
    theirs[0, :6] = False
    better, worse = 7 / 42, 1 / 42
    reach = 1.96 * np.sqrt((better + worse - (better - worse) ** 2) / 42)
    assert difference(of(ours), of(theirs)).interval == pytest.approx(
        (better - worse - reach, better - worse + reach), rel=1e-3
    )


def test_scores_of_one_seed_that_are_no_outcomes_are_a_t_test_over_images() -> None:
    generator = np.random.default_rng(3)
    ours, theirs = generator.gamma(2.0, 3.0, (2, 1, 60))
    expected = scipy.stats.ttest_rel(ours[0], theirs[0])
    found = difference(of(ours, share=False), of(theirs, share=False))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(expected.confidence_interval(0.95), rel=1e-5)


def test_the_variances_are_those_of_the_two_way_layout() -> None:
    """Hillis (2007): (MS(seeds) + max(MS(examples) − MS(both), 0)) / (seeds · examples)."""
    scores = np.random.default_rng(4).normal(0, 1, (4, 50)) + np.random.default_rng(5).normal(0, 1, (1, 50))
    mean = scores.mean()
    of_seed, of_example = scores.mean(1, keepdims=True) - mean, scores.mean(0, keepdims=True) - mean
    rest = scores - mean - of_seed - of_example
    seeds, examples, both = 50 * (of_seed**2).sum() / 3, 4 * (of_example**2).sum() / 49, (rest**2).sum() / 3 / 49
    found = crossed(scores)
    assert found.variance == pytest.approx((seeds + examples - both) / 200)
    assert (found.by_seed, found.freedom) == (pytest.approx(seeds / 200), 3)


def test_the_tail_is_that_of_students_t_and_a_normal_variate_added() -> None:
    spread = Spread(0.0, by_seed=0.5, by_example=2.0, freedom=2, examples=100)
    generator = np.random.default_rng(6)
    drawn = np.sqrt(0.5) * generator.standard_t(2, 2_000_000) + np.sqrt(2.0) * generator.normal(size=2_000_000)
    for distance in (0.5, 2.0, 8.0):
        assert spread.tail(distance) == pytest.approx((drawn >= distance).mean(), rel=0.03)
    assert spread.tail(spread.reach(0.025)) == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize("distance", [0.3, 2.0, 30.0])
def test_without_one_of_the_two_the_tail_is_the_other_ones(distance: float) -> None:
    of_seeds = Spread(0.0, by_seed=0.25, by_example=0.0, freedom=3, examples=9)
    assert of_seeds.tail(distance) == pytest.approx(scipy.stats.t.sf(distance / 0.5, 3), rel=1e-4)
    of_examples = Spread(0.0, by_seed=0.0, by_example=0.25, freedom=0, examples=9)
    assert of_examples.tail(distance) == pytest.approx(scipy.stats.t.sf(distance / 0.5, 8), rel=1e-6)


def test_seeds_that_are_all_equal_count_as_one() -> None:
    ours, theirs = outcomes(np.random.default_rng(7), 2, 100)
    once, thrice = (difference(of(np.stack([ours] * n)), of(np.stack([theirs] * n))) for n in (1, 3))
    assert (thrice.p_value, thrice.interval, thrice.seeds) == (once.p_value, once.interval, 3)
    cells = [of(np.stack([each] * 3)) for each in (ours, theirs, ours | theirs)]
    assert differences(cells)[0, 1].p_value == pytest.approx(once.p_value)


def test_only_seeds_in_common_are_paired() -> None:
    right, wrong = np.ones((1, 40), bool), np.zeros((1, 40), bool)
    found = difference(of(np.concatenate([right, right]), 0, 1), of(np.concatenate([wrong, right]), 1, 2))
    assert (found.seeds, found.value, found.paired) == (1, 1.0, True)
    assert found.p_value is not None and found.p_value < 0.001


def test_without_a_seed_in_common_the_two_are_independent() -> None:
    generator = np.random.default_rng(8)
    ours, theirs = generator.normal(0.0, 1.0, (2, 1, 80))
    found = difference(of(ours, 0, share=False), of(theirs, 1, share=False))
    expected = scipy.stats.ttest_ind(ours[0], theirs[0], equal_var=False)
    assert not found.paired and found.seeds == 0
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.02)


def test_values_of_seeds_without_predictions_are_welchs_test() -> None:
    ours, theirs = [0.2, 0.9, 0.7, 0.4], [1.4, 1.9, 1.2]
    found = difference(Sample(dict(enumerate(ours))), Sample(dict(enumerate(theirs))))
    assert found.p_value == pytest.approx(scipy.stats.ttest_ind(ours, theirs, equal_var=False).pvalue, rel=1e-4)


def test_where_nothing_is_known_of_the_spread_there_is_no_p_value() -> None:
    found = difference(Sample({0: 1.5}), Sample({0: 2.5}))
    assert (found.value, found.p_value, found.interval) == (-1.0, None, None)


def test_equal_cells_do_not_differ() -> None:
    scores = outcomes(np.random.default_rng(9), 3, 50)
    found = difference(of(scores), of(scores))
    assert (found.value, found.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(("seeds", "whole"), [(1, True), (3, True), (1, False), (3, False)])
def test_all_pairs_at_once_are_each_by_itself(seeds: int, whole: bool) -> None:
    generator = np.random.default_rng(10)
    shape = (5, seeds, 120)
    scores = generator.random(shape) < 0.7 if whole else generator.gamma(2.0, 1.0, shape)
    scores[3] = scores[0]
    found = moments(scores.astype(float))
    for place, (first, second) in enumerate(zip(*np.triu_indices(5, 1), strict=True)):
        each = crossed(scores[first].astype(float) - scores[second])
        assert found.mean[place] == pytest.approx(each.mean, abs=1e-12)
        assert found.by_seed[place] == pytest.approx(each.by_seed, rel=1e-9, abs=1e-15)
        assert found.by_example[place] == pytest.approx(each.by_example, rel=1e-9, abs=1e-15)


def test_all_pairs_of_one_seed_have_the_p_values_of_each_by_itself() -> None:
    samples = [of(outcomes(np.random.default_rng(seed), 1, 150)) for seed in range(4)]
    for (first, second), found in differences(samples).items():
        alone = difference(samples[first], samples[second])
        assert isinstance(found, Difference)
        assert found.p_value == pytest.approx(alone.p_value)
        assert found.interval == pytest.approx(alone.interval)


def test_the_variances_over_seeds_of_several_differences_make_each_other_surer() -> None:
    variances = (1.0e-5, 1.2e-5, 0.8e-5, 1.1e-5)
    found = [
        Difference(0.05, Spread(0.05, each, 1e-5, 1.0, 500), 0.3, 2, paired=True, least=0.001) for each in variances
    ]
    surer = moderate(found)
    assert all(each.spread is not None and each.spread.freedom == 4.0 for each in surer)
    assert all(each.p_value is not None and 0.001 <= each.p_value < 0.01 for each in surer)
    assert [each.spread for each in moderate(found[:2])] == [each.spread for each in found[:2]]
    other = Difference(0.05, Spread(0.05, 1e-5, 1e-5, 2.0, 500), 0.3, 3, paired=True)
    assert moderate([*found, other]) == [*found, other]  # of other numbers of seeds
    unknown = Difference(0.05, None, None, 0, paired=False)
    assert moderate([unknown]) == [unknown]


def test_cells_without_predictions_are_compared_at_once_as_each_by_itself() -> None:
    generator = np.random.default_rng(11)
    samples = [Sample(dict(enumerate(generator.normal(0.8, 0.01, 3).tolist())), {}, 500, True) for _ in range(4)]
    samples.append(Sample({0: 0.5}))  # of which nothing is known
    for (first, second), found in differences(samples).items():
        alone = difference(samples[first], samples[second])
        assert found.p_value == (None if alone.p_value is None else pytest.approx(alone.p_value))
        assert found.value == pytest.approx(alone.value)
