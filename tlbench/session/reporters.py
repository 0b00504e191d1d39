"""The reporters of a run, told of it; one that raises is left out, and harms nobody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from tlbench.errors import UserError
from tlbench.plan.cell import Trial
from tlbench.plan.plan import Plan
from tlbench.registry.apart import guarded
from tlbench.registry.components import Component
from tlbench.results.flat import Columns, flatten
from tlbench.results.records import Record
from tlbench.session.reporter import Reporter
from tlbench.words import bounded, one_line

LONGEST_REASON = 500
"""Characters of what a reporter raised."""


def made(components: Iterable[Component[Reporter]]) -> dict[str, Reporter]:
    """The reporters by their canonical names; raises UserError where one can't be made."""
    return {component.ref: _made(component) for component in components}


def _made(component: Component[Reporter]) -> Reporter:
    try:
        return component.load()
    except UserError:
        raise
    except Exception as error:  # of a plugin, or of a library that is broken
        raise UserError(
            f"reporter {component.ref} can't be made: {type(error).__name__}: {error}; leave it out of --reporters"
        ) from error


class Reporters:
    """Those that still listen. Epochs are counted over all phases of a trial."""

    def __init__(self, reporters: Mapping[str, Reporter], columns: Columns, note: Callable[[str], object]) -> None:
        self._reporters = dict(reporters)
        self._columns = columns
        self._note = note
        self._epochs = Counter[str]()

    def run_started(self, plan: Plan, folder: Path) -> None:
        """The run begins, or goes on."""
        self._tell("run_started", lambda reporter: reporter.run_started(plan, folder))

    def trial_started(self, trial: Trial) -> None:
        """A trial begins, or is tried again."""
        self._epochs[trial.id] = 0
        self._tell("trial_started", lambda reporter: reporter.trial_started(trial))

    def epoch_finished(self, trial: Trial, values: Mapping[str, float | None]) -> None:
        """An epoch has ended. Of several learning rates, the chosen one is not yet known: its epochs are told later."""
        if not trial.cell.tuned_rates:
            self._epoch(trial, values)

    def trial_finished(self, trial: Trial, record: Record) -> None:
        """A trial has ended, and its record is written."""
        if not self._reporters:
            return
        for epoch in record.history if trial.cell.tuned_rates else ():
            self._epoch(trial, {"train_loss": epoch.train_loss})
        row = flatten(record, self._columns)
        self._tell("trial_finished", lambda reporter: reporter.trial_finished(trial, record, row))

    def run_finished(self, plan: Plan, folder: Path, records: list[Record]) -> None:
        """No more trials will run."""
        self._tell("run_finished", lambda reporter: reporter.run_finished(plan, folder, records))

    def _epoch(self, trial: Trial, values: Mapping[str, float | None]) -> None:
        self._epochs[trial.id] += 1
        number = self._epochs[trial.id]
        figures = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        self._tell("epoch_finished", lambda reporter: reporter.epoch_finished(trial, number, figures))

    def _tell(self, moment: str, call: Callable[[Reporter], object]) -> None:
        for name, reporter in list(self._reporters.items()):
            with guarded(partial(self._leave_out, name, moment)):
                call(reporter)

    def _leave_out(self, name: str, moment: str, error: BaseException) -> None:
        del self._reporters[name]
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        said = bounded(one_line(what), LONGEST_REASON)
        self._note(f"warning: reporter {name} raised in {moment}, and is told no more of this run: {said}")
