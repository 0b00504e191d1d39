"""A reporter: is told of a run as it goes on. It overrides what it wants to hear of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from tlbench import Options, Reporter

if TYPE_CHECKING:
    from tlbench.toolkit import Plan, Record, Trial


class DiaryOptions(Options):
    """Given behind the name: `--reporters diary:file=diary.txt`."""

    file: Path | None = Field(None, description="the file; none: diary.txt in the run's folder")


class Diary(Reporter):
    """A line of text for each trial that has ended."""

    def __init__(self, file: Path | None) -> None:
        self.file = file

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Called again where a run goes on, so lines are added to the file and none are removed."""
        if self.file is None:
            self.file = folder / "diary.txt"

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """`row` has the columns of `tlbench show RUN --format csv`; what was not measured is None."""
        cell, metrics = trial.cell, record.metrics
        said = f", {metrics.primary} {metrics.value:.4g}" if metrics and metrics.value is not None else ""
        self.write(f"{cell.backbone} × {cell.dataset} × {cell.strategy}, seed {trial.seed}: {record.status}{said}")

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """The last line."""
        self.write(f"{sum(record.status == 'ok' for record in records)} of {len(records)} trials are ok")

    def write(self, line: str) -> None:
        """Add a line."""
        assert self.file is not None  # run_started comes first
        with self.file.open("a", encoding="utf-8") as diary:
            diary.write(f"{line}\n")


def make_diary(options: DiaryOptions) -> Reporter:
    """The reporter of some options; called when a run uses it."""
    return Diary(options.file)
