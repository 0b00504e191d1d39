"""How often an interval holds the truth, and how often equal cells are told apart: by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from tlbench.stats import Sample, difference, family, interval

pytestmark = pytest.mark.slow
BASE, HARD = 1.2, 2.0
"""The logit of a typical image, and how far images differ in it."""


def right(generator: np.random.Generator, seeds: int, hard: np.ndarray, by_seed: float, own: float = 0.0) -> np.ndarray:
    """Seeds × images of right and wrong: images differ in how hard they are, seeds in how well they went."""
    logits = BASE + hard + generator.normal(0, by_seed, (seeds, 1)) + generator.normal(0, own, len(hard))
    return np.asarray(generator.random((seeds, len(hard))) < 1 / (1 + np.exp(-logits)))


def sample(scores: np.ndarray) -> Sample:
    means = {seed: float(each.mean()) for seed, each in enumerate(scores)}
    return Sample(means, dict(enumerate(scores)), scores.shape[1], share=True)


def truth(by_seed: float) -> float:
    generator = np.random.default_rng(1)
    logits = BASE + generator.normal(0, HARD, 400_000) + generator.normal(0, by_seed, 400_000)
    return float((1 / (1 + np.exp(-logits))).mean())


def resampled_alone(scores: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """The interval of a hierarchical bootstrap that draws the seeds, too, again."""
    seeds, images = scores.shape
    drawn = [
        scores[generator.integers(seeds, size=seeds)][:, generator.integers(images, size=images)].mean()
        for _ in range(200)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(("seeds", "by_seed"), [(1, 0.0), (2, 0.4), (3, 0.0), (3, 0.4), (10, 0.4)])
def test_the_interval_holds_the_truth_in_95_of_100_cases_or_more(seeds: int, by_seed: float) -> None:
    generator = np.random.default_rng(seeds)
    expected, held = truth(by_seed), 0
    for _ in range(400):
        found = interval(sample(right(generator, seeds, generator.normal(0, HARD, 300), by_seed)))
        assert found.low is not None and found.high is not None
        held += found.low <= expected <= found.high
    assert held / 400 >= 0.93  # 95 % and the simulation's own error


def test_seeds_drawn_again_hold_it_too_seldom() -> None:
    generator = np.random.default_rng(0)
    expected, held = truth(0.4), 0
    for _ in range(200):
        scores = right(generator, 3, generator.normal(0, HARD, 1_000), 0.4)
        low, high = resampled_alone(scores, generator)
        held += low <= expected <= high
    assert held / 200 < 0.9


def test_the_interval_of_errors_holds_the_truth_in_some_95_of_100_cases() -> None:
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        errors = generator.gamma(2.0, 3.0, (1, 200))
        found = interval(Sample({0: float(errors.mean())}, {0: errors[0]}, 200))
        assert found.low is not None and found.high is not None
        held += found.low <= 6.0 <= found.high  # the mean of a gamma of shape 2 and scale 3
    assert 0.91 <= held / 300 <= 0.98


@pytest.mark.parametrize(("seeds", "by_seed"), [(1, 0.0), (2, 0.2), (3, 0.0), (3, 0.2), (5, 0.2)])
def test_two_equal_cells_are_told_apart_in_5_of_100_cases_or_less(seeds: int, by_seed: float) -> None:
    generator = np.random.default_rng(seeds)
    apart = 0
    for _ in range(400):
        hard = generator.normal(0, HARD, 300)
        ours, theirs = (sample(right(generator, seeds, hard, by_seed, own=1.0)) for _ in range(2))
        p_value = difference(ours, theirs).p_value
        apart += p_value is not None and p_value < 0.05
    assert apart / 400 <= 0.075  # 5 % and the simulation's own error


@pytest.mark.parametrize(("seeds", "found_at_least"), [(1, 0.9), (3, 0.8)])
def test_two_unequal_cells_are_told_apart_in_most(seeds: int, found_at_least: float) -> None:
    generator = np.random.default_rng(seeds)
    apart = 0
    for _ in range(150):
        hard = generator.normal(0, HARD, 500)
        ours, theirs = (sample(right(generator, seeds, hard + shift, 0.05)) for shift in (0.0, 0.8))
        p_value = difference(ours, theirs).p_value
        apart += p_value is not None and p_value < 0.05
    assert apart / 150 >= found_at_least


@pytest.mark.parametrize("unlike", [False, True])
def test_of_ten_tables_of_equal_cells_less_than_one_has_a_difference(unlike: bool) -> None:
    """Whether the seeds of all cells vary alike or not: of 10 comparisons, any one that is found is false."""
    generator = np.random.default_rng(7)
    false = 0
    for _ in range(200):
        hard = generator.normal(0, HARD, 300)
        spreads = 0.1 * np.exp(generator.normal(0, 0.8, 5)) if unlike else np.full(5, 0.1)
        cells = [sample(right(generator, 3, hard, by_seed, own=1.0)) for by_seed in spreads]
        false += any(pair.differs for pair in family(cells, "higher").pairs.values())
    assert false / 200 <= 0.08


def test_variances_that_borrow_from_each_other_find_far_more() -> None:
    """One of five cells is 6 points worse; compared two by two, each pair's own two degrees of freedom find less."""
    generator = np.random.default_rng(8)
    together = alone = 0
    for _ in range(60):
        hard = generator.normal(0, HARD, 600)
        cells = [sample(right(generator, 3, hard - shift, 0.05)) for shift in (0.6, 0.0, 0.0, 0.0, 0.0)]
        together += sum(family(cells, "higher").pair(0, other).verdict == "worse" for other in range(1, 5))
        p_values = [difference(cells[0], cells[other]).p_value for other in range(1, 5)]
        alone += sum(p_value is not None and p_value < 0.05 / 10 for p_value in p_values)
    assert together > 1.5 * alone
