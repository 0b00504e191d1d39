"""One metric, or one cost, of all cells: an axis down and an axis across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tlbench.errors import UserError, nearest
from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.rows import Row
from tlbench.report.selection import names_of, text_of
from tlbench.report.short import short_names


@dataclass(frozen=True)
class Pivot:
    """A table of a figure. `heading` says which, `across` are the headings of the columns behind the first."""

    heading: str
    down: str
    across: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def pivot(data: ReportData, down: str, across: str) -> Pivot:
    """The metric of each place of two axes. Raises UserError where an axis is none, or two cells share a place."""
    rows = data.rows()
    for option, axis in (("--rows", down), ("--columns", across)):
        if any(text_of(row, axis) is None for row in rows):
            axes = [name for name in names_of(rows) if text_of(rows[0], name) is not None]
            raise UserError(
                f"{option} {axis} is no axis{nearest(axis, axes)}; backbone, strategy, dataset and others are"
            )
    places: dict[tuple[str, str], Row] = {}
    for row in rows:
        place = (text_of(row, down) or "", text_of(row, across) or "")
        if place in places:
            raise UserError(
                f"two cells are {down} {place[0]} and {across} {place[1]}: they differ in "
                f"{_differ(places[place], row)}; --filter one of them"
            )
        places[place] = row
    names = [list(dict.fromkeys(place[axis] for place in places)) for axis in (0, 1)]
    shown = [short_names(each) for each in names]
    lines = [(shown[0][name], *(_figure(places.get((name, other))) for other in names[1])) for name in names[0]]
    metrics = dict.fromkeys(row.metric.heading for row in rows)
    return Pivot(", ".join(metrics), down, tuple(shown[1].values()), tuple(lines))


def _figure(row: Row | None) -> str:
    if row is None:
        return text.NOTHING
    return text.metric(row.primary, row.metric.unit) if row.primary else row.status


def _differ(first: Row, second: Row) -> str:
    rows: Sequence[Row] = (first, second)
    axes = [name for name in names_of(rows) if len({text_of(row, name) for row in rows}) > 1]
    return " and ".join(axes) or "what is no axis"
