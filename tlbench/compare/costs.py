"""A cost of base and of head, compared: as a ratio, at equal pace of the machine where that was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tlbench.compare.change import Change
from tlbench.compare.side import Figure
from tlbench.stats.family import LEVEL

RUN_FREEDOM = 21
"""Of the deviations between runs, which 22 runs were measured for."""
PACED_RUN_SHARE = 0.33
"""What is left of the deviation of times between runs at equal pace (benchmarks/results/calibration.json)."""
LEAST_FREEDOM = 4
"""With fewer seeds, a slope over the pace takes more certainty than it gives."""


@dataclass(frozen=True)
class Ratio:
    """A logarithm of head over base, its variance by the seeds, and the degrees of freedom.

    `unexplained` is the share of the seeds' variance that the pace leaves.
    """

    value: float
    variance: float
    freedom: float
    unexplained: float = 1.0


def of_cost(
    figure: Figure,
    base: Mapping[int, float],
    head: Mapping[int, float],
    paces: tuple[Mapping[int, float], Mapping[int, float]] | None,
    noise: tuple[float, int] | None,
    why_not: str | None,
) -> Change:
    """By the ratio of the geometric means, whose logarithm varies as seeds do, and no less than the machine's noise.

    What varies between runs alone is the same for all seeds of a run: more of them do not make it smaller. The degrees
    of freedom of the sum of both are Satterthwaite's. `paces` has the pace of the machine of each seed; None where
    there is none to compare at.
    """
    from scipy.special import stdtr, stdtrit

    middle = statistics.median(base.values()), statistics.median(head.values())
    if min(*base.values(), *head.values()) <= 0:
        return Change(figure, *middle, None, None, why_not=why_not)
    logs = [[math.log(value) for value in _measurements(figure, side)] for side in (base, head)]
    at_pace = None
    if paces is not None:
        of_seeds = [[pace[seed] for seed in side] for side, pace in zip((base, head), paces, strict=True)]
        at_pace = _at_pace(logs, [[math.log(value) for value in side] for side in of_seeds])
    found = at_pace or _plain(logs)
    per_seed = 1 / len(logs[0]) + 1 / len(logs[1])
    variance, freedom = found.variance, found.freedom
    if noise is not None:
        floor = noise[0] ** 2 * found.unexplained * per_seed
        if freedom == 0 or floor > variance:
            variance, freedom = floor, max(freedom, noise[1])
    if freedom == 0:
        return Change(figure, *middle, None, None, why_not=why_not)
    of_runs = 2 * (figure.run_deviation * (1 if at_pace is None else PACED_RUN_SHARE)) ** 2
    error = math.sqrt(variance + of_runs)
    if of_runs:
        freedom = (variance + of_runs) ** 2 / (variance**2 / freedom + of_runs**2 / RUN_FREEDOM)
    reach = float(stdtrit(freedom, 1 - LEVEL / 2)) * error
    interval = math.exp(found.value - reach), math.exp(found.value + reach)
    p_value = float(2 * stdtr(freedom, -abs(found.value) / error)) if error else float(found.value == 0)
    return Change(figure, *middle, interval, p_value, why_not=why_not, ratio=math.exp(found.value) if at_pace else None)


def _plain(logs: Sequence[Sequence[float]]) -> Ratio:
    """The difference of the means, with the seeds' pooled variance."""
    freedom = sum(map(len, logs)) - 2
    variance = sum((len(each) - 1) * statistics.variance(each) for each in logs if len(each) > 1) / max(freedom, 1)
    value = statistics.fmean(logs[1]) - statistics.fmean(logs[0])
    return Ratio(value, variance * sum(1 / len(each) for each in logs), freedom)


def _at_pace(logs: Sequence[Sequence[float]], paces: Sequence[Sequence[float]]) -> Ratio | None:
    """The same by an analysis of covariance: with one slope over the pace for both sides (Fisher 1932).

    None where there are too few seeds for a slope, or nothing varies.
    """
    freedom = sum(map(len, logs)) - 3
    if freedom < LEAST_FREEDOM or list(map(len, logs)) != list(map(len, paces)):
        return None
    apart = [[value - statistics.fmean(side) for value in side] for side in logs]
    drifts = [[value - statistics.fmean(side) for value in side] for side in paces]
    pairs = [pair for one, other in zip(drifts, apart, strict=True) for pair in zip(one, other, strict=True)]
    of_drift, of_both, whole = (sum(values) for values in zip(*((x * x, x * y, y * y) for x, y in pairs), strict=True))
    if not of_drift or not whole:
        return None
    slope, drift = of_both / of_drift, statistics.fmean(paces[1]) - statistics.fmean(paces[0])
    left = max(0.0, whole - slope * of_both)
    value = statistics.fmean(logs[1]) - statistics.fmean(logs[0]) - slope * drift
    per_seed = sum(1 / len(each) for each in logs) + drift**2 / of_drift
    return Ratio(value, left / freedom * per_seed, freedom, left / whole)


def _measurements(figure: Figure, side: Mapping[int, float]) -> Sequence[float]:
    """Times of seeds; where all are equal they are of heads trained together, and one measurement."""
    values = list(side.values())
    return values[:1] if figure.timed and len(set(values)) == 1 else values
