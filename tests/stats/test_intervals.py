"""The interval of a metric: against SciPy's, and what it is at the ends."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from tlbench.stats import Sample, interval


def of_seeds(*values: float, **facts: object) -> Sample:
    return Sample(dict(enumerate(values)), **facts)  # type: ignore[arg-type]


def of_scores(scores: np.ndarray, *, share: bool) -> Sample:
    means = {seed: float(each.mean()) for seed, each in enumerate(scores)}
    return Sample(means, dict(enumerate(scores)), scores.shape[1], share)


@pytest.mark.parametrize("number", [2, 3, 5, 30])
def test_of_values_alone_the_interval_is_students(number: int) -> None:
    values = np.random.default_rng(number).normal(0.8, 0.05, number)
    low, high = scipy.stats.t.interval(0.95, number - 1, loc=values.mean(), scale=scipy.stats.sem(values))
    found = interval(of_seeds(*values.tolist(), share=False, examples=500))  # nothing is known of the sample
    assert (found.low, found.high) == (pytest.approx(low, rel=0.01), pytest.approx(high, rel=0.01))
    assert (found.mean, found.n) == (pytest.approx(values.mean()), number)


@pytest.mark.parametrize(("right", "images"), [(0, 40), (61, 61), (50, 61), (830, 1000), (9_990, 10_000)])
def test_of_one_seed_the_interval_of_a_share_is_that_of_agresti_and_coull(right: int, images: int) -> None:
    added = images + 4
    centre = (right + 2) / added
    reach = 1.96 * np.sqrt(centre * (1 - centre) / added)
    found = interval(of_seeds(right / images, share=True, examples=images))
    assert found.low == pytest.approx(max(centre - reach, 0.0), abs=1.5 / added)
    assert found.high == pytest.approx(min(centre + reach, 1.0), abs=1.5 / added)


def test_a_hundred_per_cent_of_61_images_is_not_certain() -> None:
    found = interval(of_scores(np.ones((3, 61), bool), share=True))
    assert (found.mean, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.924, abs=0.01)


def test_of_one_seeds_errors_the_interval_is_scipys_bootstrap() -> None:
    errors = np.random.default_rng(0).gamma(2.0, 3.0, (1, 80))
    expected = scipy.stats.bootstrap((errors[0],), np.mean, method="percentile", rng=np.random.default_rng(5))
    found = interval(of_scores(errors, share=False))
    assert found.low == pytest.approx(expected.confidence_interval.low, rel=0.01)
    assert found.high == pytest.approx(expected.confidence_interval.high, rel=0.01)


def test_the_spread_over_seeds_and_that_over_examples_add_as_variances() -> None:
    scores = np.random.default_rng(1).gamma(2.0, 3.0, (30, 400)) + np.random.default_rng(2).normal(0, 1, (30, 1))
    of_seeds_alone = interval(Sample({seed: float(each.mean()) for seed, each in enumerate(scores)}))
    of_examples_alone = interval(of_scores(scores.mean(0, keepdims=True), share=False))
    found = interval(of_scores(scores, share=False))
    widths = [(each.high or 0.0) - (each.low or 0.0) for each in (of_seeds_alone, of_examples_alone, found)]
    assert widths[2] == pytest.approx(np.hypot(widths[0], widths[1]), rel=0.02)


def test_a_share_stays_between_0_and_1_and_its_half_width_is_the_farther_end() -> None:
    found = interval(of_seeds(0.9, 1.0, 1.0, share=True, examples=50))
    assert found.low is not None and found.high == 1.0
    assert found.half_width == pytest.approx(found.mean - found.low)


def test_the_interval_is_the_same_at_every_call() -> None:
    scores = np.random.default_rng(3).gamma(2.0, 3.0, (3, 100))
    assert interval(of_scores(scores, share=False)) == interval(of_scores(scores, share=False))


def test_many_different_scores_are_drawn_in_parts() -> None:
    errors = np.random.default_rng(4).gamma(2.0, 3.0, (1, 60_000))
    found = interval(of_scores(errors, share=False))
    assert found.half_width == pytest.approx(1.96 * scipy.stats.sem(errors[0]), rel=0.1)


def test_one_image_or_no_scores_say_nothing_of_the_sample_of_a_metric_that_is_no_share() -> None:
    for sample in (of_scores(np.array([[2.5]]), share=False), of_seeds(2.5, examples=80), of_seeds(2.5)):
        found = interval(sample)
        assert (found.mean, found.low, found.high, found.half_width, found.n) == (2.5, None, None, None, 1)


def test_no_values_raise() -> None:
    with pytest.raises(ValueError, match="no values"):
        interval(Sample({}))
