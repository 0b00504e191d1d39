"""The anytime-valid t-test against its integral, and its error rates under optional stopping by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tlbench.stats.sequential import EFFECT, sequential


def bayes_factor(observations: np.ndarray) -> float:
    """The ratio of the t statistic's densities: averaged over normal effect sizes, and at no effect."""
    number = len(observations)
    t = math.sqrt(number) * observations.mean() / observations.std(ddof=1)

    def weighted(effect: float) -> float:
        return float(stats.nct.pdf(t, number - 1, math.sqrt(number) * effect) * stats.norm.pdf(effect, 0, EFFECT))

    return float(integrate.quad(weighted, -12, 12, limit=400)[0] / stats.t.pdf(t, number - 1))


@pytest.mark.parametrize("number", [2, 3, 6, 15])
def test_the_evidence_is_the_bayes_factor_of_rouder(number: int) -> None:
    observations = np.random.default_rng(number).normal(0.8, 1, number)
    highest = max(bayes_factor(observations[:seen]) for seen in range(2, number + 1))
    assert sequential(list(observations), 0.05).p_value == pytest.approx(min(1.0, 1 / highest), rel=1e-5)


def test_the_interval_holds_the_means_that_are_not_rejected_at_this_look() -> None:
    observations = np.random.default_rng(0).normal(0.1, 0.03, 9)
    found = sequential(list(observations), 0.05)
    assert found.interval is not None
    for edge in found.interval:
        assert bayes_factor(observations - edge) == pytest.approx(20, rel=1e-4)


def test_of_nothing_to_find_something_is_found_as_rarely_as_declared_at_any_look() -> None:
    random = np.random.default_rng(1)
    found = [sequential(list(random.normal(0, 0.03, 40)), 0.05).p_value < 0.05 for _ in range(300)]
    assert np.mean(found) <= 0.05


def test_a_slow_down_of_three_standard_deviations_is_found_within_ten_rounds() -> None:
    random = np.random.default_rng(2)
    found = [sequential(list(random.normal(0.09, 0.03, 10)), 0.05).p_value < 0.05 for _ in range(100)]
    assert np.mean(found) >= 0.95


def test_one_observation_says_nothing() -> None:
    found = sequential([0.3], 0.05)
    assert (found.interval, found.p_value) == (None, 1.0)


def test_values_that_never_vary_are_equal_or_different() -> None:
    assert sequential([0.0] * 5, 0.05).interval == (0, 0)
    assert sequential([0.0] * 5, 0.05).p_value == 1
    assert sequential([0.1] * 5, 0.05).p_value < 0.05
