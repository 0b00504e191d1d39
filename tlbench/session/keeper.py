"""What a run does with what its trials tell: records are written; the display, plugins and reporters are told."""

from __future__ import annotations

from pathlib import Path

from tlbench.events import EpochDone, Event, PluginRaised
from tlbench.execute.outbox import deliver
from tlbench.plan.cell import Trial
from tlbench.plan.plan import Plan
from tlbench.registry.plugins import Plugins
from tlbench.results.records import UNFINISHED, Record
from tlbench.results.store import RunFolder, cannot_write
from tlbench.session.display import Display
from tlbench.session.reporters import Reporters
from tlbench.trial.jobs import TrialJob


class Keeper:
    """Writes records as they come, and tells the display, the plugins and the reporters."""

    def __init__(self, folder: RunFolder, plugins: Plugins, reporters: Reporters, display: Display) -> None:
        self._folder = folder
        self._plugins = plugins
        self._reporters = reporters
        self._display = display
        self._told: set[tuple[str, str]] = set()

    def run_started(self, plan: Plan) -> None:
        """The first trial is about to begin."""
        self._notify("tlbench_run_started", plan=plan, folder=self._folder.path)
        self._reporters.run_started(plan, self._folder.path)

    def run_finished(self, plan: Plan, records: list[Record]) -> None:
        """No more trials will run."""
        self._notify("tlbench_run_finished", plan=plan, folder=self._folder.path, records=records)
        self._reporters.run_finished(plan, self._folder.path, records)

    def started(self, job: TrialJob) -> None:
        """A job's process has been started, for all of its trials."""
        for trial in job.trials:
            self._display.started(trial, None if trial is job.trial else job.trial)
            self._notify("tlbench_trial_started", trial=trial)
            self._reporters.trial_started(trial)

    def event(self, job: TrialJob, event: Event) -> None:
        """A job tells of its progress."""
        if isinstance(event, PluginRaised):
            self._tell_once(event.plugin, event.moment, event.message)
            return
        self._display.event(job.trial, event)
        if isinstance(event, EpochDone):
            values = {"train_loss": event.train_loss, "images_per_second": event.images_per_second}
            trial = next((each for each in job.trials if each.seed == event.seed), job.trial)
            self._notify("tlbench_epoch_finished", trial=trial, epoch=event.epoch, values=values)
            self._reporters.epoch_finished(trial, values)

    def delivered(self, job: TrialJob, outbox: Path) -> None:
        """A job has left files beside its records; raises UserError where they can't be kept."""
        try:
            deliver(outbox, self._folder)
        except OSError as error:
            raise cannot_write(self._folder.path, error) from error

    def finished(self, job: TrialJob, record: Record) -> None:
        """A trial has ended: its record is on disk before anybody hears of it.

        Of a trial that is finished, the record stays: being interrupted afterwards takes nothing from it.
        """
        trial = Trial(cell=record.trial.cell, seed=record.trial.seed)
        if record.status in UNFINISHED and self._folder.is_finished(record.trial.id):
            return
        record = self._folder.write_record(record)
        self._display.finished(trial, record)
        self._notify("tlbench_trial_finished", trial=trial, record=record)
        self._reporters.trial_finished(trial, record)

    def _notify(self, hook: str, **arguments: object) -> None:
        """Call a life-cycle hook; a plugin that raises is told of once and harms nobody."""
        for fault in self._plugins.notify(hook, **arguments):
            self._tell_once(fault.plugin, fault.moment, fault.message)

    def _tell_once(self, plugin: str, moment: str, message: str) -> None:
        if (plugin, moment) not in self._told:
            self._told.add((plugin, moment))
            self._display.note(f"warning: plugin {plugin} raised in {moment}: {message}")
