"""A history as a person reads it: tables of text, each with its notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from tlbench.compare.change import Change
from tlbench.compare.changes import OTHER_JOB, OTHER_MACHINE
from tlbench.compare.shown import change_text
from tlbench.contracts.task import Unit
from tlbench.report import text
from tlbench.report.compared import p_value, signed
from tlbench.stats import Estimate
from tlbench.trends.history import CellHistory, History, Point, Series, Shift
from tlbench.trends.spark import sparkline
from tlbench.words import counted, listed

NOT_JUDGED = {OTHER_MACHINE: "other machine", OTHER_JOB: "other boot"}
"""Why a change has no verdict, in short."""
PLAIN = re.compile(r"([0-9.]+)([^0-9.]*)")
"""A figure with one unit, not minutes and seconds."""
DIFFERENCES = 8
"""What differs at a change point that a note names."""
MOST_NOTED = 3
"""Certain changes of which a note says what differs there, the last ones."""
TREND = "Trend"
"""The heading of bars, which not every terminal can show."""
FEW_BARS = 16


@dataclass(frozen=True)
class Table:
    """A series as text. `above` says of which kind of cells it is, where these are not those of the series before."""

    above: str | None
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    values: tuple[float | None, ...]


def summary(history: History) -> Table:
    """A line for each cell."""
    machines = machine_names(history)
    return Table(
        above=None,
        title=f"{counted(len(history.cells), 'cell')} over {counted(len(history.runs), 'run')}",
        headings=("Cell", "Runs", TREND, "Last", "In", "Change points"),
        lines=tuple(_summed_up(cell, machines) for cell in history.cells),
        notes=(*_legend(machines), "A cell run by run: tlbench history CELL"),
        values=(),
    )


def _summed_up(cell: CellHistory, machines: dict[str, str]) -> tuple[str, ...]:
    series = cell.primary
    last = series.measured[-1]
    found = [
        f"{each.figure.heading}{_on(each, machines)} {shift.verdict} from {shift.run.name}"
        for each in cell.series
        for shift in each.shifts
    ]
    some = "; ".join(found) or series.unsearched or "none"
    bars = sparkline([point.value for point in series.points], FEW_BARS)
    return (cell.name, str(len(series.measured)), bars, _value(last, series), last.run.name, some)


def tables(history: History, zone: tzinfo | None = None) -> Iterator[tuple[CellHistory, list[Table]]]:
    """Each cell with the tables of its series; times are in `zone`, the machine's own where it is None."""
    machines = machine_names(history)
    for cell in history.cells:
        number, found = 1, []
        for series in cell.series:
            above = None
            if series.number != number:
                number = series.number
                above = f"Another series from {series.points[0].run.name} on: {listed(series.unlike, DIFFERENCES)}"
            found.append(_table(series, machines, above, zone))
        yield cell, found


def machine_names(history: History) -> dict[str, str]:
    """Short names of the machines, where there are several."""
    known = dict.fromkeys(
        point.machine for cell in history.cells for series in cell.series for point in series.points if point.machine
    )
    return {name: f"M{number}" for number, name in enumerate(known, 1)} if len(known) > 1 else {}


def _legend(machines: dict[str, str]) -> list[str]:
    return [f"{short}: {name}" for name, short in machines.items()]


def _on(series: Series, machines: dict[str, str]) -> str:
    return f" on {machines[series.machine]}" if series.machine in machines else ""


def _table(series: Series, machines: dict[str, str], above: str | None, zone: tzinfo | None) -> Table:
    """The table of a series, without columns that are equal in all its rows."""
    points, shifts = series.points, {shift.run: shift for shift in series.shifts}
    columns = {"Run": [point.run.name for point in points], "Started": _started(points, zone)}
    columns |= _differing("Version", [point.run.version or text.NOTHING for point in points])
    if series.machine is None:
        columns |= _differing("On", [machines.get(point.machine or "", text.NOTHING) for point in points])
    columns[series.figure.heading] = [_value(point, series) for point in points]
    columns["Change"] = [_change(point.change) for point in points]
    columns["Verdict"] = [_verdict(point) for point in points]
    if shifts:
        columns["Shift"] = [shifts[point.run].verdict if point.run in shifts else "" for point in points]
    return Table(
        above=above,
        title=f"{series.figure.heading} of {counted(len(series.measured), 'run')}{_on(series, machines)}",
        headings=tuple(columns),
        lines=tuple(zip(*columns.values(), strict=True)),
        notes=tuple(_notes(series, zone)),
        values=tuple(point.value for point in points),
    )


def _differing(heading: str, values: list[str]) -> dict[str, list[str]]:
    return {heading: values} if len(set(values)) > 1 else {}


def _started(points: Sequence[Point], zone: tzinfo | None) -> list[str]:
    """The dates on which runs were started, with the times where a date has several."""
    times = [when(point.run.started, zone) for point in points]
    dates = [each.partition(" ")[0] for each in times]
    return dates if len(set(dates)) == len(dates) else times


def _value(point: Point, series: Series) -> str:
    """A metric with the half-width of its interval, a cost with its lowest and highest seed where these differ."""
    figure = series.figure
    if figure.metric and point.value is not None:
        return text.metric(Estimate(point.value, point.low, point.high, point.seeds), figure.unit)
    value, *ends = (text.figure(each, figure.unit) for each in (point.value, point.low, point.high))
    return f"{value} ({_between(*ends)})" if point.low is not None and set(ends) != {value} else value


def _between(low: str, high: str) -> str:
    """Two figures with their unit once, where that leaves no doubt."""
    first, second = (PLAIN.fullmatch(each) for each in (low, high))
    return f"{first[1]}–{high}" if first and second and first[2] == second[2] else f"{low}–{high}"


def _change(change: Change | None) -> str:
    if change is None:
        return ""
    if change.figure.metric:
        return signed(change.difference, change.figure.unit)
    return change_text(change).partition(" (")[0]


def _verdict(point: Point) -> str:
    if point.value is None:
        return point.status
    change = point.change
    if change is None:
        return ""
    return NOT_JUDGED.get(change.why_not, change.verdict) if change.why_not else change.verdict


def _notes(series: Series, zone: tzinfo | None) -> Iterator[str]:
    if series.unsearched:
        yield f"No change points: {series.unsearched}."
    elif not series.shifts:
        yield "No change point."
    for shift in series.shifts:
        yield _shift(shift, series.figure.unit, zone)
    told = [shift.run for shift in series.shifts]
    certain = [point for point in series.points if point.change is not None and point.change.certain]
    for point in [each for each in certain if each.differs and each.run not in told][-MOST_NOTED:]:
        yield f"{point.run.name} differs from the run before: {listed(point.differs, DIFFERENCES)}."


def _shift(shift: Shift, unit: Unit, zone: tzinfo | None) -> str:
    parts = [f"Change point: {shift.verdict} from {shift.run.name} ({when(shift.run.started, zone)}) on:"]
    before, after = (text.figure(each, unit) for each in (shift.before, shift.after))
    runs = f"{counted(shift.runs_before, 'run')} before, {counted(shift.runs_after, 'run')} from there"
    parts.append(f"mean {before} to {after} ({runs}), {p_value(shift.p_value)}.")
    if shift.differs:
        parts.append(f"Differs there: {listed(shift.differs, DIFFERENCES)}.")
    if shift.other_job:
        parts.append("The machine was booted in between.")
    return " ".join(parts)


def notes(history: History, zone: tzinfo | None = None) -> list[str]:
    """What holds for all tables: the times' zone, what the figures are, how they are tested, the machines."""
    every = [series for cell in history.cells for series in cell.series]
    zones = dict.fromkeys(str(run.started.astimezone(zone).tzname()) for run in history.runs)
    said = [f"Times are in {listed(list(zones))}."]
    versions = {run.version for run in history.runs}
    said += [f"All runs are of tlbench {versions.pop()}."] if len(versions) == 1 and None not in versions else []
    said.append(
        "Metrics: mean over seeds, ± the farther end of its 95 % interval. Costs: median over seeds (lowest–highest)."
    )
    said.append(
        "Change, Verdict: beside the run before (points of a share, % of a cost), tested as tlbench compare does; 5 % "
        "level, Holm's correction for the changes of a table."
    )
    if any(series.unsearched is None for series in every):
        said.append(
            "Shift: a change point, from which on the mean is another one; the best partition by BIC, each point "
            "confirmed by permutations (noise alone has one in at most 5 % of tables)."
        )
    said += _boots(every)
    said += _legend(machine_names(history))
    asked = dict.fromkeys(name for cell in history.cells for name in cell.not_measured)
    said += [f"Not measured: {listed(list(asked))}."] if asked else []
    return said


def _boots(every: Sequence[Series]) -> Iterator[str]:
    boots = [{point.job for point in series.points} for series in every if series.machine is not None]
    if any(len(each) > 1 for each in boots):
        yield (
            "A cost's table has one machine and all its boots. Times of other boots are not judged beside the run "
            "before; change points are, as the spread over runs has that over boots in it."
        )


def when(moment: datetime, zone: tzinfo | None) -> str:
    """A date and time in a zone, the machine's own where it is None."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
