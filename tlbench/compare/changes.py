"""What has changed from base to head: each figure of each pair of cells, with its verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tlbench.compare.pairs import paired
from tlbench.compare.side import Figure, Measured, Noise, Side
from tlbench.results.column import in_unit
from tlbench.stats import Difference, Sample, Verdict, difference, holm, moderate
from tlbench.stats.family import LEVEL, verdict_of

HOW = (
    "Metrics are paired by seed and test image. Costs are ratios, which vary as seeds do, and no less than the "
    "machine's noise floor (tlbench doctor --noise); on a CPU they vary from run to run besides. 5 % level, Holm's "
    "correction for the cells."
)
RUN_FREEDOM = 21
"""Of the deviations between runs, which 22 runs were measured for."""
OTHER_MACHINE = "measured on different machines"
OTHER_JOB = "measured by different jobs"


@dataclass(frozen=True)
class Change:
    """A figure of a pair of cells: medians over seeds (means of metrics), and what is known of their difference.

    `interval` is the 95 % interval of head less base (of a cost: of head over base). `p_value` is corrected for all
    pairs of the comparison; None where nothing is known of the spread. A change is certain where it is below `level`.
    `why_not` says why it can't be judged.
    """

    figure: Figure
    base: float
    head: float
    interval: tuple[float, float] | None
    p_value: float | None
    p_margin: float | None = None
    why_not: str | None = None
    level: float = LEVEL

    @property
    def difference(self) -> float:
        """Head less base."""
        return self.head - self.base

    @property
    def relative(self) -> float | None:
        """The difference as a share of the base; None of nothing."""
        return self.difference / abs(self.base) if self.base else None

    @property
    def certain(self) -> bool:
        """Whether there is a difference beyond what varies."""
        return self.why_not is None and self.p_value is not None and self.p_value < self.level and self.difference != 0

    @property
    def loss(self) -> float:
        """How much worse head is, in the figure's unit; below 0 it is better."""
        return -self.difference if self.figure.better == "higher" else self.difference

    @property
    def verdict(self) -> Verdict:
        """What head is, compared with base."""
        if self.why_not is not None:
            return "unknown"
        if self.figure.better is None and self.p_value is not None:
            return "tie"  # neither more nor less is better
        return verdict_of(-self.loss, self.p_value, self.p_margin, self.level)


@dataclass(frozen=True)
class Pair:
    """Two cells that are one, and the changes of each figure that both have measured, by column."""

    base: Measured
    head: Measured
    changes: dict[str, Change]

    @property
    def name(self) -> str:
        """The cell in words."""
        return self.head.name

    @property
    def primary(self) -> Change | None:
        """The change of the primary metric."""
        return self.changes.get(self.head.primary.name)


@dataclass(frozen=True)
class Comparison:
    """All pairs of two sides, and the cells without one; `how` says by which test the pairs were judged."""

    base: Side
    head: Side
    pairs: tuple[Pair, ...]
    missing: tuple[Measured, ...]
    new: tuple[Measured, ...]
    how: str


def compare(base: Side, head: Side, margin: float | None = None) -> Comparison:
    """Compare two sides; `margin` (points of a share, else the metric's unit) is what is practically equal.

    Raises UserError where cells are unlike.
    """
    found = paired(base, head)
    noise = {
        name: max(side.noise[name] for side in (base, head) if name in side.noise)
        for name in {**base.noise, **head.noise}
    }
    by_pair: list[dict[str, Change]] = [{} for _ in found.pairs]
    for name in dict.fromkeys(figure.name for _, cell in found.pairs for figure in cell.figures):
        for place, change in enumerate(changes(found.pairs, name, noise, margin)):
            if change is not None:
                by_pair[place][name] = change
    pairs = tuple(Pair(*pair, of_pair) for pair, of_pair in zip(found.pairs, by_pair, strict=True))
    return Comparison(base, head, pairs, found.missing, found.new, HOW)


def changes(
    pairs: Sequence[tuple[Measured, Measured]], name: str, noise: Noise, margin: float | None = None
) -> list[Change | None]:
    """The change of a figure in each pair of like cells (base, head), p values corrected for their number.

    None where a side has not measured it.
    """
    found = _changes(pairs, name, noise, margin)
    known = {place: change for place, change in enumerate(found) if change is not None}
    p_values = holm({place: change.p_value for place, change in known.items()})
    margins = holm({place: change.p_margin for place, change in known.items()})
    corrected = {
        place: replace(change, p_value=p_values[place], p_margin=margins[place]) for place, change in known.items()
    }
    return [corrected.get(place) for place in range(len(pairs))]


def _changes(
    pairs: Sequence[tuple[Measured, Measured]], name: str, noise: Noise, margin: float | None
) -> list[Change | None]:
    """The change of a figure in each pair, before any correction; None where a side has not measured it."""
    primary = [
        place for place, (first, second) in enumerate(pairs) if name == first.primary.name == second.primary.name
    ]
    both = [place for place in primary if pairs[place][0].sample.values and pairs[place][1].sample.values]
    differences = moderate([difference(pairs[place][1].sample, pairs[place][0].sample) for place in both])
    found = {place: _of_metric(*pairs[place], each, margin) for place, each in zip(both, differences, strict=True)}
    return [found.get(place) or _change(pair, name, noise) for place, pair in enumerate(pairs)]


def _change(pair: tuple[Measured, Measured], name: str, noise: Noise) -> Change | None:
    """The change of any figure but the primary metric."""
    first, second = pair
    figure = next((each for each in second.figures if each.name == name), None)
    ours, theirs = first.values.get(name), second.values.get(name)
    if figure is None or not ours or not theirs:
        return None
    if figure.metric:
        apart = difference(Sample(theirs), Sample(ours))
        means = statistics.fmean(ours.values()), statistics.fmean(theirs.values())
        return Change(figure, *means, apart.interval, apart.p_value)
    middle = statistics.median(ours.values()), statistics.median(theirs.values())
    if figure.exact:
        return Change(figure, *middle, None, 1.0 if middle[0] == middle[1] else 0.0)
    why_not = _why_not(first, second) if figure.timed else None
    return _of_cost(figure, list(ours.values()), list(theirs.values()), noise.get(name), why_not)


def _of_metric(first: Measured, second: Measured, found: Difference, margin: float | None) -> Change:
    """The change of the primary metric: means over the seeds in common, or over all where none is."""
    base, head, figure = first.sample, second.sample, second.primary
    common = [seed for seed in base.values if seed in head.values] if found.paired else []
    means = [statistics.fmean([side.values[seed] for seed in common] or side.values.values()) for side in (base, head)]
    within = None
    if margin is not None:
        within = found.within(in_unit(margin, figure.unit))
    return Change(figure, means[0], means[1], found.interval, found.p_value, within)


def _of_cost(
    figure: Figure, base: Sequence[float], head: Sequence[float], noise: tuple[float, int] | None, why_not: str | None
) -> Change:
    """By the ratio of the geometric means, whose logarithm varies as seeds do, and no less than the machine's noise.

    What varies between runs alone is the same for all seeds of a run: more of them do not make it smaller. The degrees
    of freedom of the sum of both are Satterthwaite's.
    """
    from scipy.special import stdtr, stdtrit

    middle = statistics.median(base), statistics.median(head)
    if min(*base, *head) <= 0:
        return Change(figure, *middle, None, None, why_not=why_not)
    if figure.timed:
        base, head = _measurements(base), _measurements(head)
    logs = [[math.log(value) for value in side] for side in (base, head)]
    freedom: float = len(base) + len(head) - 2
    variance = sum((len(each) - 1) * statistics.variance(each) for each in logs if len(each) > 1) / max(freedom, 1)
    if noise is not None and (freedom == 0 or noise[0] ** 2 > variance):
        variance, freedom = noise[0] ** 2, max(freedom, noise[1])
    if freedom == 0:
        return Change(figure, *middle, None, None, why_not=why_not)
    ratio = statistics.fmean(logs[1]) - statistics.fmean(logs[0])
    of_seeds, of_runs = variance * (1 / len(base) + 1 / len(head)), 2 * figure.run_deviation**2
    error = math.sqrt(of_seeds + of_runs)
    if of_runs:
        freedom = (of_seeds + of_runs) ** 2 / (of_seeds**2 / freedom + of_runs**2 / RUN_FREEDOM)
    reach = float(stdtrit(freedom, 1 - LEVEL / 2)) * error
    interval = math.exp(ratio - reach), math.exp(ratio + reach)
    p_value = float(2 * stdtr(freedom, -abs(ratio) / error)) if error else float(ratio == 0)
    return Change(figure, *middle, interval, p_value, why_not=why_not)


def _measurements(values: Sequence[float]) -> Sequence[float]:
    """Times of seeds; where all are equal they are of heads trained together, and one measurement."""
    return values[:1] if len(set(values)) == 1 else values


def _why_not(base: Measured, head: Measured) -> str | None:
    """Why what depends on the machine can't be compared; None where it can."""
    if base.machine is None or head.machine is None:
        return None
    if base.machine.name != head.machine.name:
        return OTHER_MACHINE
    jobs = base.machine.job, head.machine.job
    return OTHER_JOB if None not in jobs and jobs[0] != jobs[1] else None
