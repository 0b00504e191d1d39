"""What has changed from base to head: each figure of each pair of cells, with its verdict."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tlbench.compare.change import Change
from tlbench.compare.costs import of_cost
from tlbench.compare.pairs import paired
from tlbench.compare.side import PACE, Measured, Noise, Side
from tlbench.results.column import in_unit
from tlbench.stats import Difference, Sample, difference, holm, moderate

HOW = (
    "Metrics are paired by seed and test image. Costs are ratios, which vary as seeds do, and no less than the "
    "machine's noise floor (tlbench doctor --noise); on a CPU they vary from run to run besides, and times are "
    "compared at equal pace of the machine where enough seeds know it (pace_ms). 5 % level, Holm's correction for the "
    "cells."
)
OTHER_MACHINE = "measured on different machines"
OTHER_JOB = "measured by different jobs"


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
    """All pairs of two sides, and the cells without one; `how` says by which test the pairs were judged.

    `changed` has those of head that are new because their sources have changed.
    """

    base: Side
    head: Side
    pairs: tuple[Pair, ...]
    missing: tuple[Measured, ...]
    new: tuple[Measured, ...]
    how: str
    changed: tuple[Measured, ...] = ()


def compare(base: Side, head: Side, margin: float | None = None, changed_sources: bool = False) -> Comparison:
    """Compare two sides; `margin` (points of a share, else the metric's unit) is what is practically equal.

    Cells with `changed_sources` are other cells, or compared as well. Raises UserError where cells are unlike.
    """
    found = paired(base, head, changed_sources)
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
    return Comparison(base, head, pairs, found.missing, found.new, HOW, found.changed)


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
    paces = _paces(first, second, name) if figure.timed else None
    return of_cost(figure, ours, theirs, paces, noise.get(name), why_not)


def _paces(first: Measured, second: Measured, name: str) -> tuple[Mapping[int, float], Mapping[int, float]] | None:
    """The machine's pace for each seed of a cost on both sides; None where it is not known, or of other software."""
    paces = first.values.get(PACE, {}), second.values.get(PACE, {})
    known = all(seed in pace for side, pace in zip((first, second), paces, strict=True) for seed in side.values[name])
    alike = first.machine is not None and first.machine == second.machine
    return paces if known and alike and name != PACE else None


def _of_metric(first: Measured, second: Measured, found: Difference, margin: float | None) -> Change:
    """The change of the primary metric: means over the seeds in common, or over all where none is."""
    base, head, figure = first.sample, second.sample, second.primary
    common = [seed for seed in base.values if seed in head.values] if found.paired else []
    means = [statistics.fmean([side.values[seed] for seed in common] or side.values.values()) for side in (base, head)]
    within = None
    if margin is not None:
        within = found.within(in_unit(margin, figure.unit))
    return Change(figure, means[0], means[1], found.interval, found.p_value, within)


def _why_not(base: Measured, head: Measured) -> str | None:
    """Why what depends on the machine can't be compared; None where it can."""
    if base.machine is None or head.machine is None:
        return None
    if base.machine.name != head.machine.name:
        return OTHER_MACHINE
    jobs = base.machine.job, head.machine.job
    return OTHER_JOB if None not in jobs and jobs[0] != jobs[1] else None
