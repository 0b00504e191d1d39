"""A test that may be looked at after each observation, and stopped as soon as it has an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

EFFECT = 2.0
"""Standard deviation of the prior over effect sizes: a difference worth finding is about twice the noise."""


@dataclass(frozen=True)
class Sequential:
    """What observations so far say of their mean.

    `interval` is the confidence sequence at this look; None where the observations are too few. `p_value` is valid at
    every look: where there is nothing to find, it ever falls below a level as rarely as the level says.
    """

    mean: float
    interval: tuple[float, float] | None
    p_value: float


def sequential(observations: Sequence[float], level: float) -> Sequential:
    """Test after each observation whether the mean of independent normal ones is 0, whatever their variance.

    The ratio of the t statistic's densities, averaged over normal effect sizes and at no effect, is a martingale, which
    ever exceeds 1/level with a probability of at most `level` (Wang and Ramdas 2024, "Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance"; as a Bayes factor: Rouder et al. 2009).
    """
    number = len(observations)
    mean, variance = _moments(observations)
    evidence = max((_evidence(observations[:seen]) for seen in range(2, number + 1)), default=0.0)
    reach = _reach(number, level) if number > 1 else None
    error = math.sqrt(variance / number)
    interval = None if reach is None else (mean - reach * error, mean + reach * error)
    return Sequential(mean, interval, min(1.0, math.exp(-evidence)))


def _moments(observations: Sequence[float]) -> tuple[float, float]:
    """The mean, and the variance with n - 1; 0 of one."""
    mean = math.fsum(observations) / len(observations)
    squares = math.fsum((each - mean) ** 2 for each in observations)
    return mean, squares / max(len(observations) - 1, 1)


def _evidence(observations: Sequence[float]) -> float:
    """The logarithm of the martingale."""
    number = len(observations)
    mean, variance = _moments(observations)
    spread = 1 + number * EFFECT**2
    if variance == 0:  # t is 0 or infinite
        ratio = 1.0 if mean == 0 else spread
    else:
        squared = number * mean**2 / variance / (number - 1)
        ratio = (1 + squared) / (1 + squared / spread)
    return 0.5 * (number * math.log(ratio) - math.log(spread))


def _reach(number: int, level: float) -> float | None:
    """The t statistic at which the martingale is 1/level; None where it never is."""
    spread = 1 + number * EFFECT**2
    ratio = (math.sqrt(spread) / level) ** (2 / number)
    if ratio >= spread:
        return None
    return math.sqrt((number - 1) * (ratio - 1) / (1 - ratio / spread))
