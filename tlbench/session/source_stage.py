"""Source models: trained before the trials that go on from them, each once, and kept in the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tlbench.cache import StageCache, hold_lease
from tlbench.events import Event, PluginRaised
from tlbench.execute.executor import Executor
from tlbench.execute.outbox import deliver
from tlbench.execute.queue import run_trials
from tlbench.plan.cell import SOURCE_SEED, Cell, SourcePlan, Trial, trial_id
from tlbench.plan.found import Preflight
from tlbench.plan.plan import Plan
from tlbench.results.beside import SourceRecord
from tlbench.results.records import ErrorRecord, Record
from tlbench.results.store import RunFolder
from tlbench.saved.document import DOCUMENT, TENSORS
from tlbench.session.display import Display
from tlbench.session.jobs import job_of
from tlbench.session.keeper import Keeper
from tlbench.temporary import temporary_folder
from tlbench.trial.jobs import SourceModel, TrialJob, failure

STAGE, RECORD = "source", "record.json"


class SourceFailed(Exception):
    """A source model could not be trained; `record` says why."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.error.message if record.error else record.status)
        self.record = record


@dataclass(frozen=True)
class SourceStage:
    """Trains source models where the cache has none, as the trials of a run are trained."""

    plan: Plan
    found: Preflight
    folder: RunFolder
    executor: Callable[[], Executor]
    display: Display

    def given_to(self, jobs: Sequence[TrialJob], keeper: Keeper) -> list[TrialJob]:
        """The jobs with the source models that they go on from.

        Trials whose source model can't be trained have failed; their records say so, and the others are left.
        """
        cells = {trial_id(cell.id, SOURCE_SEED): cell for cell in self.plan.sources}
        models: dict[str, SourceModel | Record] = {}
        left = []
        for job in jobs:
            source = job.trial.cell.source_model
            if source is None:
                left.append(job)
                continue
            if source.trial not in models:
                models[source.trial] = (
                    _saved(source) if source.kind == "saved" else self._trained(cells[source.trial], source)
                )
            model = models[source.trial]
            if isinstance(model, SourceModel):
                left.append(replace(job, source=model))
            else:
                _fail(job, model, source, keeper)
        return left

    def _trained(self, cell: Cell, source: SourcePlan) -> SourceModel | Record:
        """The model of a source dataset, from the cache or trained now."""
        cache = StageCache(lease=hold_lease())
        trial = Trial(cell=cell, seed=SOURCE_SEED)
        key = {"trial": trial.id, "releases": releases(cell, self.plan)}
        try:
            kept = cache.get(STAGE, key, lambda folder: self._train(trial, folder))
        except SourceFailed as failed:
            self.folder.write_source(failed.record)
            return failed.record
        record = Record.model_validate_json((kept.path / RECORD).read_bytes())
        self.folder.write_source(record)
        if kept.reused:
            self.display.note(f"source model of {source.name} for {cell.backbone}: from the cache")
        return SourceModel(kept.path, source_record(source, record, kept.reused))

    def _train(self, trial: Trial, kept: Path) -> None:
        """Train a source model in a process like any other trial, and put what it leaves into a folder of the cache."""
        with tempfile.TemporaryDirectory(dir=temporary_folder()) as temporary:
            out = RunFolder(Path(temporary))
            out.trials.mkdir()
            out.models.mkdir()
            watcher = SourceWatcher(out, self.display)
            job = replace(job_of(trial, self.plan, self.found, out), save=True)
            run_trials([job], self.executor(), 1, self.plan.request.timeout, watcher)
            (record,) = watcher.records
            if record.status != "ok":
                raise SourceFailed(record)
            model = out.model(trial.id)
            if not model.is_dir():
                raise SourceFailed(_not_saved(job, record))
            for name in (DOCUMENT, TENSORS):
                shutil.move(model / name, kept / name)
            predictions = out.predictions(trial.id)
            if predictions.is_file():
                shutil.move(predictions, kept / predictions.name)
            (kept / RECORD).write_text(record.model_dump_json(indent=1) + "\n", "utf-8")


@dataclass(frozen=True)
class SourceWatcher:
    """Follows the trial on a source: the display is told, and what it leaves is kept in a folder."""

    out: RunFolder
    display: Display
    records: list[Record] = field(default_factory=list)

    def started(self, job: TrialJob) -> None:
        """The trial's process has been started."""
        self.display.started(job.trial)

    def event(self, job: TrialJob, event: Event) -> None:
        """The trial tells of its progress."""
        if not isinstance(event, PluginRaised):
            self.display.event(job.trial, event)

    def delivered(self, job: TrialJob, outbox: Path) -> None:
        """The trial has left files."""
        deliver(outbox, self.out)

    def finished(self, job: TrialJob, record: Record) -> None:
        """The trial has ended."""
        self.display.finished(job.trial, record)
        self.records.append(record)


def releases(cell: Cell, plan: Plan) -> dict[str, str]:
    """The releases that a source model was trained with: those of its components' plugins, of torch and of tlbench."""
    origins = [plan.provenance[each] for each in (cell.backbone, cell.dataset, cell.strategy, cell.task)]
    plugins = {each.plugin: f"{each.distribution} {each.version}" for each in origins}
    return plugins | {name: version(name) for name in ("tlbench", "torch")}


def source_record(source: SourcePlan, record: Record | None, reused: bool | None) -> SourceRecord:
    """What records have of a source model, from the record of its own trial where that is known."""
    metrics, cost = (None, None) if record is None else (record.metrics, record.cost)
    return SourceRecord(
        kind=source.kind,
        name=source.name,
        trial=source.trial,
        strategy=source.strategy,
        metric=metrics and metrics.primary,
        value=metrics and metrics.value,
        train_seconds=cost and cost.train_with_features_seconds,
        energy_joules=cost and cost.energy_joules,
        peak_memory_bytes=cost and cost.peak_memory_bytes,
        reused=reused,
    )


def _saved(source: SourcePlan) -> SourceModel:
    """A saved model; its record is the one of its run, where it still lies there: RUN/models/ID and RUN/trials/ID."""
    assert source.path is not None
    folder = Path(source.path)
    record = RunFolder(folder.parent.parent).record(source.trial)
    return SourceModel(folder, source_record(source, record, None))


def _not_saved(job: TrialJob, record: Record) -> Record:
    reason = record.notes.get("model", "its model was not saved")
    return failure(job, "failed", ErrorRecord(type="NotSaved", message=f"it is {reason}"), record.started)


def _fail(job: TrialJob, source: Record, plan: SourcePlan, keeper: Keeper) -> None:
    """Leave the records of trials whose source model could not be trained."""
    why = source.error.message if source.error else source.status
    error = ErrorRecord(
        type="SourceFailed", message=f"the source model of {plan.name} could not be trained: {source.status}: {why}"
    )
    keeper.started(job)
    for trial in job.trials:
        keeper.finished(job, failure(job, "failed", error, datetime.now(UTC), trial=trial))
