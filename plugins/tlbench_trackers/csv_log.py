"""A CSV file with a line for each trial that has ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Reporter
from tlbench.toolkit import one_line, spreadsheet_field, write_whole
from tlbench_trackers.checks import check_file
from tlbench_trackers.lines import append_line

if TYPE_CHECKING:
    from tlbench.toolkit import Plan, Record, Trial

BEGINS = "run,started,trial,"
"""The first line of every such file, and of hardly another one."""


class CsvOptions(Options):
    """Where the lines go."""

    file: Path | None = Field(None, description="the file; none: trackers/trials.csv in the run's folder")


def check_csv(options: CsvOptions) -> None:
    """Raises UserError where the file can't be written, or is not such a log."""
    check_file("csv", options.file, BEGINS)


def make_csv(options: CsvOptions) -> Reporter:
    """A reporter that writes CSV."""
    return CsvLog(options)


class CsvLog(Reporter):
    """Appends a line for each trial: the columns of `tlbench show RUN --format csv` behind the run and its time."""

    def __init__(self, options: CsvOptions) -> None:
        self._given = options.file
        self._file = Path()
        self._run = ""

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Nothing is written yet."""
        self._run = plan.name
        self._file = folder / "trackers" / "trials.csv" if self._given is None else self._given.expanduser()

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """A line; where it has columns that the file lacks, the file is rewritten with both."""
        whole = {"run": self._run, "started": record.started.isoformat(), **row}
        fields = {_field(name): _field(value) for name, value in whole.items()}
        columns = _columns(self._file)
        if missing := [name for name in fields if name not in columns]:
            columns += missing
            lines = [columns, *([each.get(name, "") for name in columns] for each in _rows(self._file))]
            write_whole(self._file, "".join(f"{_line(line)}\n" for line in lines))
        append_line(self._file, _line(fields.get(name) for name in columns))


def _field(value: object) -> object:
    """A field in one line that no spreadsheet takes for a formula."""
    return spreadsheet_field(one_line(value) if isinstance(value, str) else value)


def _line(fields: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def _columns(file: Path) -> list[object]:
    """The columns that a file has; none where there is no file."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        return list(next(csv.reader(opened), []))


def _rows(file: Path) -> list[dict[object, object]]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        return [dict(row) for row in csv.DictReader(opened)]
