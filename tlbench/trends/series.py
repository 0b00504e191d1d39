"""A cell's entries in runs made into series: of like cells, a cost's of one machine, with changes and change points."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from tlbench.compare.change import Change
from tlbench.compare.changes import changes
from tlbench.compare.of_run import noise_of
from tlbench.compare.pairs import told, unlike
from tlbench.compare.side import Figure, Machine, Measured
from tlbench.report.rows import Row
from tlbench.stats import Estimate, Sample, interval
from tlbench.stats.change_points import change_points, why_not
from tlbench.trends.history import CellHistory, PastRun, Point, Series, Shift


@dataclass(frozen=True)
class Entry:
    """A cell in a run: its row in the run's table, and what a comparison has of it."""

    run: PastRun
    row: Row
    measured: Measured

    @property
    def machine(self) -> Machine | None:
        """Where its costs were measured; None where that is not known, or was on several machines."""
        return self.measured.machine if len(self.row.machines) < 2 else None

    def estimate(self, figure: Figure) -> Estimate | None:
        """The value of a figure; None where it was not measured, or is a cost of several machines."""
        values = self.measured.values.get(figure.name)
        if not values:
            return None
        if figure.name == self.measured.primary.name:
            return self.row.primary
        if figure.metric:
            return interval(Sample(values))
        if of_machine(figure) and len(self.row.machines) > 1:
            return None
        every = sorted(values.values())
        low, high = (every[0], every[-1]) if len(every) > 1 else (None, None)
        return Estimate(statistics.median(every), low, high, len(every))


@dataclass
class Group:
    """Entries whose cells are alike; `facts` are the decisive ones that any of them knows."""

    number: int
    unlike: tuple[str, ...]
    facts: dict[str, object] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        self.entries.append(entry)
        self.facts |= {name: value for name, value in entry.measured.decisive.items() if value is not None}

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is alike, and its run has none here yet."""
        return self.entries[-1].run != entry.run and not any(unlike(self.facts, entry.measured.decisive))


def of_machine(figure: Figure) -> bool:
    """Whether a figure depends on the machine that it was measured on."""
    return not figure.metric and not figure.exact


def cell_history(entries: Sequence[Entry], asked: Sequence[str]) -> CellHistory:
    """The history of a cell, its entries given in the order of their runs, in the figures that are asked for."""
    figures = {figure.name: figure for entry in entries for figure in entry.measured.figures}
    names = list(asked)
    series = tuple(_all_series(groups(entries), [figures[name] for name in names if name in figures]))
    shown = {each.figure.name for each in series}
    cell = entries[-1].measured
    return CellHistory(cell.key, cell.names, cell.name, series, tuple(name for name in names if name not in shown))


def groups(entries: Iterable[Entry]) -> list[Group]:
    """Like entries together: each joins those that it is alike with, of several the ones that differ least from it."""
    found: list[Group] = []
    before: Entry | None = None
    for entry in entries:
        fitting = [group for group in reversed(found) if group.takes(entry)]
        if fitting:
            nearest = min(fitting, key=lambda group: sum(1 for _ in told(group.entries[-1].measured, entry.measured)))
        else:
            nearest = Group(len(found) + 1, () if before is None else _unlike(before, entry))
            found.append(nearest)
        nearest.add(entry)
        before = entry
    return found


def _unlike(before: Entry, entry: Entry) -> tuple[str, ...]:
    """In what an entry is not as the one before: the decisive fields, or what else tells two cells of a run apart."""
    found = list(unlike(before.measured.decisive, entry.measured.decisive)) or list(
        told(before.measured, entry.measured)
    )
    return tuple(f"{name} is {theirs}, not {ours}" for name, ours, theirs in found)


def _all_series(found: Sequence[Group], figures: Sequence[Figure]) -> Iterator[Series]:
    for group in found:
        for figure in figures:
            for machine, entries in _by_machine(group.entries, figure).items():
                if any(entry.estimate(figure) is not None for entry in entries):
                    yield _series(group, figure, machine, entries)


def _by_machine(entries: Sequence[Entry], figure: Figure) -> Mapping[str | None, list[Entry]]:
    """The entries by the machine that they are of, where the figure depends on it; those without a figure are left out.

    A metric's, whose entries without a value say how their trials ended, are of one.
    """
    if not of_machine(figure):
        return {None: list(entries)}
    found: dict[str | None, list[Entry]] = {}
    for entry in entries:
        if entry.estimate(figure) is not None:
            found.setdefault(None if entry.machine is None else entry.machine.name, []).append(entry)
    return found


def _series(group: Group, figure: Figure, machine: str | None, entries: Sequence[Entry]) -> Series:
    estimates = [entry.estimate(figure) for entry in entries]
    places = [place for place, each in enumerate(estimates) if each is not None]
    pairs = [(entries[first].measured, entries[second].measured) for first, second in pairwise(places)]
    noise = noise_of(record for entry in entries for record in entry.row.records) if of_machine(figure) else {}
    found = dict(zip(places[1:], changes(pairs, figure.name, noise), strict=True))
    before = {second: entries[first] for first, second in pairwise(places)}
    points = tuple(
        _point(entry, estimate, found.get(place), before.get(place))
        for place, (entry, estimate) in enumerate(zip(entries, estimates, strict=True))
    )
    measured = [points[place] for place in places]
    unsearched = why_not(len(measured))
    return Series(
        figure=figure,
        number=group.number,
        unlike=group.unlike,
        machine=machine,
        points=points,
        shifts=() if unsearched else tuple(_shifts(measured, figure)),
        unsearched=unsearched,
    )


def _point(entry: Entry, value: Estimate | None, change: Change | None, before: Entry | None) -> Point:
    return Point(
        run=entry.run,
        value=None if value is None else value.mean,
        low=None if value is None else value.low,
        high=None if value is None else value.high,
        seeds=0 if value is None else value.n,
        status=entry.measured.status,
        machine=", ".join(entry.row.machines) or None,
        job=None if entry.machine is None else entry.machine.job,
        change=change,
        differs=() if before is None else tuple(_differs(before, entry)),
    )


def _differs(before: Entry, entry: Entry) -> Iterator[str]:
    """What differs from the entry before and may, the commit included."""
    for name, ours, theirs in told(before.measured, entry.measured):
        yield f"{name} {theirs} (was {ours})"
    ours, theirs = before.run.commit, entry.run.commit
    if ours is not None and theirs is not None and ours != theirs:
        yield f"commit {_short(theirs)} (was {_short(ours)})"


def _short(commit: str) -> str:
    digest, plus, changed = commit.partition("+")
    return f"{digest[:9]}{plus}{changed}"


def _shifts(points: Sequence[Point], figure: Figure) -> Iterator[Shift]:
    values = [point.value for point in points if point.value is not None]
    found = change_points(_evenly_spread(values, figure))
    bounds = [0, *(each.place for each in found), len(values)]
    for number, each in enumerate(found):
        parts = [values[bounds[side] : bounds[side + 1]] for side in (number, number + 1)]
        before, after = (statistics.fmean(part) for part in parts)
        point, last = points[each.place], points[each.place - 1]
        yield Shift(
            run=point.run,
            before=before,
            after=after,
            runs_before=len(parts[0]),
            runs_after=len(parts[1]),
            p_value=each.p_value,
            verdict=_verdict(after - before, figure),
            differs=point.differs,
            other_job=None not in (point.job, last.job) and point.job != last.job,
        )


def _verdict(change: float, figure: Figure) -> Literal["better", "worse", "changed"]:
    if figure.better is None:
        return "changed"
    return "better" if (change > 0) == (figure.better == "higher") else "worse"


def _evenly_spread(values: Sequence[float], figure: Figure) -> Sequence[float]:
    """Values whose noise is alike before and after: of a cost, which varies in proportion, the logarithms."""
    return [math.log(value) for value in values] if of_machine(figure) and min(values, default=0) > 0 else values
