"""The history of cells from runs on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from tlbench.compare.of_run import measured, names_of
from tlbench.compare.shown import COSTS
from tlbench.compare.side import JOINT, matches
from tlbench.errors import UserError, nearest
from tlbench.plan.cell import Cell
from tlbench.plan.plan import Plan
from tlbench.registry.columns import columns_for
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.report.rows import rows
from tlbench.report.short import backbone_name, names_of_cells
from tlbench.results.records import Record
from tlbench.results.store import RunFolder, find_run
from tlbench.results.unfinished import without_record
from tlbench.trends.history import History, PastRun
from tlbench.trends.series import Entry, cell_history
from tlbench.words import counted, listed

Key = tuple[str, ...]
NAMED = 5
"""Cells that a message names."""


@dataclass(frozen=True)
class Planned:
    """A run that can be read, and its plan."""

    folder: RunFolder
    plan: Plan

    @cached_property
    def started(self) -> datetime:
        """When it was started, in UTC; a time without a zone is taken for one of it."""
        created = self.plan.created
        return created.astimezone(UTC) if created.tzinfo is not None else created.replace(tzinfo=UTC)


def history_of(
    cell: str | None, runs: Sequence[str], results: Path, columns: Sequence[str] = (), last: int | None = None
) -> History:
    """The history of the cells that a pattern matches ("resnet50*", "resnet50 × lora"), of all where there is none.

    `runs` are names or folders, all runs under `results` where none is named; of those that have the cells, the `last`
    ones are taken. `columns` are figures by name, by default the primary metric and the costs that `compare` shows.
    Runs that can't be read are left out, and told of in `warnings`. Raises UserError where there is no run, no such
    cell or column.
    """
    if last is not None and last < 1:
        raise UserError(f"--last {last}: a history has 1 run at least")
    planned, warnings = _planned(runs, results)
    names = _names(each for run in planned for each in run.plan.cells)
    wanted = {key: called for key, called in names.items() if cell is None or matches(cell, called, key)}
    if not wanted:
        raise _unknown(str(cell), names.values(), results)
    having = [run for run in planned if any(each.key in wanted for each in run.plan.cells)]
    found = _Found(wanted, warnings)
    for run in having if last is None else having[-last:]:
        found.read(run)
    return _history(found, columns)


def history_beside(folder: RunFolder, last: int) -> History | None:
    """The history of a run's cells over the runs in the same folder, the `last` ones that have any of them.

    None where no other run has.
    """
    planned, warnings = _planned((), folder.path.absolute().parent)
    own = {each.key for each in folder.plan().cells}
    names = _names(each for run in planned for each in run.plan.cells if each.key in own)
    having = [run for run in planned if any(each.key in own for each in run.plan.cells)]
    if len(having) < 2:
        return None
    found = _Found(names, warnings)
    for run in having[-last:]:
        found.read(run)
    return _history(found, ()) if found.entries else None


def _unknown(cell: str, names: Iterable[tuple[str, ...]], results: Path) -> UserError:
    """What to say where no cell matches: that it is a run, the nearest names, or some that there are."""
    if any(RunFolder(path).exists for path in (results / cell, Path(cell))):
        return UserError(f"no cell matches {cell!r}, which is a run; write tlbench history '*' {cell}")
    known = {name for called in names for name in (*called, JOINT.join(called[:2]))}
    close = nearest(cell, known)
    some = f"; there are {listed(sorted(name for name in known if JOINT in name), NAMED)}"
    return UserError(f"no cell matches {cell!r}{close or some}")


def _history(found: _Found, columns: Sequence[str]) -> History:
    known = {
        figure.name for entries in found.entries.values() for entry in entries for figure in entry.measured.figures
    }
    for name in columns if known else ():
        if name not in known:
            raise UserError(f"there is no column {name!r}{nearest(name, known)}")
    cells = [cell_history(entries, columns or _usual(entries)) for entries in found.entries.values()]
    shown = tuple(cell for cell in cells if cell.series)
    if not shown:
        names = listed([JOINT.join(called) for called in found.wanted.values()])
        raise UserError(f"no run has a result of {names}; tlbench show RUN says how its trials ended")
    return History(shown, tuple(found.runs), tuple(found.warnings))


def _usual(entries: Sequence[Entry]) -> list[str]:
    """The figures that are shown where none is asked for."""
    return list(dict.fromkeys([*(entry.measured.primary.name for entry in entries), *COSTS]))


def _planned(names: Sequence[str], results: Path) -> tuple[list[Planned], list[str]]:
    """The runs in the order in which they were started, and a warning for each that can't be read."""
    folders = [find_run(name, results) for name in names] or [
        RunFolder(file.parent) for file in sorted(results.glob("*/plan.json"))
    ]
    if not folders:
        raise UserError(f"there is no run in {results}; name another folder with --results")
    found, warnings = [], []
    for folder in folders:
        try:
            found.append(Planned(folder, folder.plan()))
        except UserError as error:
            warnings.append(f"{error}; the run is left out")
    if not found:
        raise UserError(f"no run can be read: {'; '.join(warnings)}")
    return sorted(found, key=lambda run: (run.started, run.folder.path.name)), warnings


def _names(cells: Iterable[Cell]) -> dict[Key, tuple[str, ...]]:
    """By key, the names of a cell that a person reads: with the dataset where there are several, and the device."""
    by_key = {cell.key: cell for cell in cells}
    known = list(by_key.values())
    several = len({cell.dataset for cell in known}) > 1, len({cell.device for cell in known}) > 1
    short = names_of_cells(known)
    return {
        key: names_of(cell, backbone_name(cell, short), short[cell.strategy], *several)
        for key, cell in sorted(by_key.items())
    }


class _Found:
    """What has been read of the cells that are asked for: runs, entries by cell, and warnings."""

    def __init__(self, wanted: Mapping[Key, tuple[str, ...]], warnings: list[str]) -> None:
        self.wanted = wanted
        self.warnings = warnings
        self.runs: list[PastRun] = []
        self.entries: dict[Key, list[Entry]] = {}
        self._registry = Registry.of(load_plugins())
        self._seen: set[tuple[str, datetime]] = set()

    def read(self, run: Planned) -> None:
        """Read the records of a run's cells; those of another run, which a merged one has again, do not count twice."""
        ids = {cell.id for cell in run.plan.cells if cell.key in self.wanted}
        every, damaged = run.folder.read(ids)
        name, trials = run.folder.path.resolve().name, len(ids) * run.plan.request.seeds
        records = [record for record in every if (record.trial.id, record.started) not in self._seen]
        self._seen |= {(record.trial.id, record.started) for record in records}
        self.warnings += [f"{said}; it is left out" for said in damaged]
        if len(every) < trials:
            some = without_record(trials, trials - len(every))
            self.warnings.append(f"run {name} is not finished: {some}")
        if len(records) < len(every):
            again = counted(len(every) - len(records), "record")
            self.warnings.append(f"run {name} has {again} of runs before it, which do not count twice")
        if records:
            past = _past(run, name, records, trials, len(every))
            self.runs.append(past)
            for row in rows(records, run.folder.example_scores, columns_for(run.plan, self._registry)):
                key = row.cell.key
                self.entries.setdefault(key, []).append(Entry(past, row, measured(row, self.wanted[key])))


def _past(run: Planned, name: str, records: Sequence[Record], planned: int, recorded: int) -> PastRun:
    environment = next((record.environment for record in records if record.environment), {})
    packages = environment.get("packages")
    version = packages.get("tlbench") if isinstance(packages, dict) else None
    stated = (each.version for each in run.plan.provenance.values() if each.distribution == "tlbench")
    return PastRun(
        name=name,
        folder=run.folder.path,
        started=run.started,
        version=version or next(stated, None),
        commit=environment.get("git_commit"),
        planned=planned,
        recorded=recorded,
    )
