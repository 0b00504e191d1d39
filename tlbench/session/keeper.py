"""What a run does with what its trials tell: records are written, the display and the plugins are told."""

from __future__ import annotations

from pathlib import Path

from tlbench.events import EpochDone, Event, PluginRaised
from tlbench.execute.outbox import deliver
from tlbench.plan.cell import Trial
from tlbench.registry.plugins import Plugins
from tlbench.results.records import UNFINISHED, Record
from tlbench.results.store import RunFolder, cannot_write
from tlbench.session.display import Display
from tlbench.trial.jobs import TrialJob


class Keeper:
    """Writes records as they come, and tells the display and the plugins."""

    def __init__(self, folder: RunFolder, plugins: Plugins, display: Display) -> None:
        self._folder = folder
        self._plugins = plugins
        self._display = display
        self._told: set[tuple[str, str]] = set()

    def started(self, job: TrialJob) -> None:
        """A job's process has been started, for all of its trials."""
        self._display.started(job.trial)
        self.notify("tlbench_trial_started", trial=job.trial)
        for trial in job.others:
            self._display.started(trial, job.trial)
            self.notify("tlbench_trial_started", trial=trial)

    def event(self, job: TrialJob, event: Event) -> None:
        """A job tells of its progress."""
        if isinstance(event, PluginRaised):
            self._tell_once(event.plugin, event.moment, event.message)
            return
        self._display.event(job.trial, event)
        if isinstance(event, EpochDone):
            values = {"train_loss": event.train_loss, "images_per_second": event.images_per_second}
            trial = next((each for each in job.trials if each.seed == event.seed), job.trial)
            self.notify("tlbench_epoch_finished", trial=trial, epoch=event.epoch, values=values)

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
        self.notify("tlbench_trial_finished", trial=trial, record=record)

    def notify(self, hook: str, **arguments: object) -> None:
        """Call a life-cycle hook; a plugin that raises is told of once and harms nobody."""
        for fault in self._plugins.notify(hook, **arguments):
            self._tell_once(fault.plugin, fault.moment, fault.message)

    def _tell_once(self, plugin: str, moment: str, message: str) -> None:
        if (plugin, moment) not in self._told:
            self._told.add((plugin, moment))
            self._display.note(f"warning: plugin {plugin} raised in {moment}: {message}")
