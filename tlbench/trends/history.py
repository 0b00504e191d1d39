"""The history of cells: all that a report of it draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tlbench.compare.change import Change
from tlbench.compare.side import Figure


@dataclass(frozen=True)
class PastRun:
    """A run: when it was started, by which release of tlbench, in which commit of the folder it was started in.

    Of the trials of the cells that are asked for, `planned` were to be done and `recorded` have a record.
    """

    name: str
    folder: Path
    started: datetime
    version: str | None
    commit: str | None
    planned: int
    recorded: int


@dataclass(frozen=True)
class Point:
    """A figure of a cell in a run.

    `value` is a metric's mean over seeds, from `low` to `high` its 95 % interval; of a cost the median, the lowest and
    the highest seed. They are None where it was not measured; `seeds` is the number of those that have it. `change` is
    that from the point before in the series which has a value, `differs` what else differs there and may: rates,
    options, releases, the commit. `job` is the boot of the machine.
    """

    run: PastRun
    value: float | None
    low: float | None
    high: float | None
    seeds: int
    status: str
    machine: str | None
    job: str | None
    change: Change | None
    differs: tuple[str, ...]


@dataclass(frozen=True)
class Shift:
    """A change point: from `run` on, the mean of `runs_after` values is another one than that of those before.

    The segments reach to the change points beside it. `differs` is what differs between the run and the one before;
    `other_job` says that the machine was booted in between, which for a cost may be the reason.
    """

    run: PastRun
    before: float
    after: float
    runs_before: int
    runs_after: int
    p_value: float
    verdict: Literal["better", "worse", "changed"]
    differs: tuple[str, ...]
    other_job: bool


@dataclass(frozen=True)
class Series:
    """A figure of a cell over runs whose cells are alike, in the order in which these were started.

    `number` counts the kinds of cells from 1, and `unlike` says in what those of this series are not as those of the
    run before its first one. A cost's series has one `machine`. `unsearched` says why change points were not looked
    for; None where they were.
    """

    figure: Figure
    number: int
    unlike: tuple[str, ...]
    machine: str | None
    points: tuple[Point, ...]
    shifts: tuple[Shift, ...]
    unsearched: str | None

    @property
    def measured(self) -> tuple[Point, ...]:
        """The points that have a value."""
        return tuple(point for point in self.points if point.value is not None)


@dataclass(frozen=True)
class CellHistory:
    """A cell over runs; `not_measured` are the figures that were asked for and that no run has.

    `key` is what runs have in common that have the cell: backbone, strategy, dataset, device.
    """

    key: tuple[str, ...]
    names: tuple[str, ...]
    name: str
    series: tuple[Series, ...]
    not_measured: tuple[str, ...] = ()

    @property
    def primary(self) -> Series:
        """The series that is shown in a summary: the first figure's of the cells of the latest run."""
        name = self.series[0].figure.name
        return max(
            (each for each in self.series if each.figure.name == name), key=lambda each: each.points[-1].run.started
        )


@dataclass(frozen=True)
class History:
    """Cells over the runs that have them. `warnings` are sentences on runs that are damaged or not finished."""

    cells: tuple[CellHistory, ...]
    runs: tuple[PastRun, ...]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<tlbench.History of {', '.join(cell.name for cell in self.cells)}: {len(self.runs)} runs>"

    @property
    def shifts(self) -> tuple[tuple[CellHistory, Series, Shift], ...]:
        """All change points, each with its cell and series."""
        return tuple((cell, series, shift) for cell, series in self._series() for shift in series.shifts)

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each point, as the CSV has it."""
        return [_row(cell, series, point) for cell, series in self._series() for point in series.points]

    def _series(self) -> Iterator[tuple[CellHistory, Series]]:
        return ((cell, series) for cell in self.cells for series in cell.series)


def _row(cell: CellHistory, series: Series, point: Point) -> dict[str, Any]:
    change = point.change
    shift = next((each for each in series.shifts if each.run == point.run), None)
    return {
        "cell": cell.name,
        "column": series.figure.name,
        "unit": series.figure.unit,
        "series": series.number,
        "run": point.run.name,
        "started": point.run.started.isoformat(),
        "tlbench": point.run.version,
        "commit": point.run.commit,
        "machine": point.machine,
        "boot_id": point.job,
        "status": point.status,
        "seeds": point.seeds,
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "change": None if change is None else change.difference,
        "change_percent": None if change is None or change.relative is None else 100 * change.relative,
        "p_value": None if change is None else change.p_value,
        "verdict": None if change is None else change.verdict,
        "change_point": None if shift is None else shift.verdict,
        "differs": "; ".join(point.differs) or None,
    }
