"""The interval over seeds is Student's, as scipy has it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from tlbench.stats import estimate


@pytest.mark.parametrize("number", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_interval_is_scipys(number: int, confidence: float) -> None:
    values = np.random.default_rng(number).normal(0.8, 0.05, number).tolist()
    result = estimate(values, confidence)
    low, high = scipy.stats.t.interval(confidence, number - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert result.half_width is not None
    assert (result.mean - result.half_width, result.mean + result.half_width) == pytest.approx((low, high))
    assert result.n == number


def test_95_per_cent_is_the_default() -> None:
    half_width = estimate([1.0, 2.0, 3.0]).half_width
    assert half_width == pytest.approx(4.302652729911275 / 3**0.5)


def test_equal_seeds_have_no_spread() -> None:
    assert estimate([0.5, 0.5, 0.5]).half_width == 0.0


def test_a_single_seed_has_no_interval() -> None:
    result = estimate([0.75])
    assert (result.mean, result.half_width, result.n) == (0.75, None, 1)


def test_no_values_raise() -> None:
    with pytest.raises(ValueError, match="no values"):
        estimate([])
