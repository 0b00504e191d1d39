"""Costs compared at equal pace of the machine: an analysis of covariance, with statsmodels as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import stdtrit

from tlbench.compare.costs import of_cost
from tlbench.compare.side import Figure

STEP = Figure("step_ms", "Step", "ms", "lower")
Seeds = dict[int, float]


def runs(slower: float, drift: float, seeds: int = 12, chance: int = 0) -> tuple[Seeds, Seeds, tuple[Seeds, Seeds]]:
    """Steps of base and head and the pace of each, on a machine that is slower by `drift` while head runs."""
    random = np.random.default_rng(chance)
    paces = random.normal(0, 0.05, (2, seeds)) + np.array([[0.0], [drift]])
    steps = paces + random.normal(0, 0.01, (2, seeds)) + np.array([[0.0], [math.log(1 + slower)]])
    base, head, first, second = (
        dict(enumerate(map(float, np.exp(values)))) for values in (*(math.log(200) + steps), *paces)
    )
    return base, head, (first, second)


def test_it_is_the_covariance_analysis_of_statsmodels() -> None:
    base, head, paces = runs(0.1, 0.05)
    found = of_cost(STEP, base, head, paces, None, None)
    logs = np.log([*base.values(), *head.values()])
    side, drift = np.repeat([0.0, 1.0], len(base)), np.log([*paces[0].values(), *paces[1].values()])
    oracle = sm.OLS(logs, sm.add_constant(np.column_stack([side, drift]))).fit()
    assert found.interval == pytest.approx(tuple(np.exp(oracle.conf_int()[1])))
    assert found.p_value == pytest.approx(oracle.pvalues[1])


def test_a_slower_machine_is_no_slower_code() -> None:
    base, head, paces = runs(0.0, 0.08)
    assert of_cost(STEP, base, head, None, None, None).verdict == "worse"
    found = of_cost(STEP, base, head, paces, None, None)
    assert found.verdict == "tie"
    assert found.relative == pytest.approx(0.0, abs=0.03)


def test_slower_code_is_found_on_a_faster_machine() -> None:
    base, head, paces = runs(0.1, -0.08)
    assert of_cost(STEP, base, head, None, None, None).verdict != "worse"
    found = of_cost(STEP, base, head, paces, None, None)
    assert found.verdict == "worse"
    assert found.relative == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("seeds", [2, 3])
def test_few_seeds_are_compared_as_they_are(seeds: int) -> None:
    base, head, paces = runs(0.1, 0.05, seeds)
    assert of_cost(STEP, base, head, paces, None, None) == of_cost(STEP, base, head, None, None, None)


def test_equal_times_of_heads_trained_together_are_one_measurement() -> None:
    same = dict.fromkeys(range(5), 2.0)
    found = of_cost(STEP, same, same, (same, same), (0.03, 4), None)
    assert found.ratio is None
    reach = float(stdtrit(4, 0.975)) * 0.03 * math.sqrt(2)
    assert found.interval == pytest.approx((math.exp(-reach), math.exp(reach)))


def test_false_alarms_are_as_many_as_the_level_says() -> None:
    """With no difference but the machine's drift, some 5 of 100 pairs are told apart."""
    found = [of_cost(STEP, *runs(0.0, 0.05, chance=chance), None, None) for chance in range(400)]
    alarms = sum(each.certain for each in found)
    assert 8 <= alarms <= 34  # 20 expected; 99.8 % of a binomial distribution


def test_the_noise_floor_shrinks_by_what_the_pace_explains() -> None:
    base, head, paces = runs(0.1, 0.0)
    plain = of_cost(STEP, base, head, None, (0.2, 4), None)
    at_pace = of_cost(STEP, base, head, paces, (0.2, 4), None)
    assert plain.verdict == "tie"
    assert at_pace.verdict == "worse"
