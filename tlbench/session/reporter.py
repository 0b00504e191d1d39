"""What a reporter is: who tells another program of a run, a tracker of experiments or a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlbench.plan.cell import Trial
    from tlbench.plan.plan import Plan
    from tlbench.results.records import Record


class Reporter:
    """Is told of a run as it goes on; a method that is not overridden does nothing.

    The methods are called in the parent process, one at a time, while trials train in processes of their own: what
    takes long delays the next trial. Several trials may be open at once (`--jobs`, heads that are trained together). A
    reporter that raises is called no more in this run, and the run goes on.
    """

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Before the first trial, and once more whenever the run goes on; `folder` is the run's."""

    def trial_started(self, trial: Trial) -> None:
        """A trial begins; a second time where one is tried again, with no `trial_finished` between where its process
        failed with all the trials in it."""

    def epoch_finished(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """An epoch has ended, counted from 1 over all phases: `train_loss`, and `images_per_second` where it is known.
        Where several learning rates are tried, the epochs of the chosen one are told when the trial has ended."""

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """A trial has ended, one way or another, and its record is on disk. `row` is the record as one flat row, with
        the names and columns of `tlbench show RUN --format csv`; what was not measured is None."""

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """No more trials will run; those that are still open were interrupted."""
