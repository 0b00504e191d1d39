"""A run from request to records: plan it, say what will happen, carry it out, keep what comes of it."""

from __future__ import annotations

import math
import os
import secrets
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from tlbench.cache import hold_lease
from tlbench.data.root import VARIABLE as DATA_ROOT_VARIABLE
from tlbench.data.root import data_root
from tlbench.errors import UserError
from tlbench.events import EpochDone, Event, Grouped, PluginRaised, Report
from tlbench.execute.concurrency import try_at_once
from tlbench.execute.crash import CONTIGUOUS, crash
from tlbench.execute.local import run_trials
from tlbench.execute.process import ProcessDied, call
from tlbench.measure.machine import Machine
from tlbench.plan.batch_size import fits
from tlbench.plan.cell import Cell, Numerics, Trial
from tlbench.plan.forecast import forecast
from tlbench.plan.plan import Plan
from tlbench.plan.preflight import Note, Preflight, Preparing, preflight, resolve
from tlbench.plan.request import Request
from tlbench.plan.sources import IN_FULL, LOOKED_FOR, Means
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import Plugins, load_plugins
from tlbench.results.best import keep_best_models
from tlbench.results.records import UNFINISHED, Record, Status
from tlbench.results.store import RunFolder, check_writable
from tlbench.temporary import temporary_folder
from tlbench.trial.jobs import TrialJob, threads_each, usable_cores


class Display(Protocol):
    """Who shows a run to a person."""

    def note(self, text: str) -> None:
        """A sentence."""

    def preparing(self, event: Preparing) -> None:
        """A dataset is being decoded."""

    def planned(self, plan: Plan, remaining: int) -> None:
        """The plan is made; `remaining` of its trials are still to run."""

    def started(self, trial: Trial, leader: Trial | None = None) -> None:
        """A trial has begun; with a leader, it is trained together with it."""

    def event(self, trial: Trial, event: Event) -> None:
        """A trial tells of its progress."""

    def finished(self, trial: Trial, record: Record) -> None:
        """A trial has ended."""

    def close(self) -> None:
        """No more trials will run."""


@dataclass(frozen=True)
class Outcome:
    """What a run left."""

    plan: Plan
    folder: RunFolder
    records: list[Record]
    interrupted: bool = False


def start(
    request: Request,
    results: Path,
    name: str | None,
    display: Display,
    *,
    retry: Collection[Status] = (),
    dry_run: bool = False,
) -> Outcome:
    """Carry a request out, or go on with the run of that name where the plan is the same.

    Raises UserError before anything runs where the request can't be carried out as asked.
    """
    plugins = load_plugins(request.block)
    registry = Registry.of(plugins)
    for fault in plugins.faults:
        display.note(f"warning: {fault}")
    for text in plugins.notes:
        display.note(f"warning: {text}")
    resolve(request, registry)
    if not dry_run:
        check_writable(results)
    folder = RunFolder(results / (name or _new_name()))
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as temporary:
        found = _looked_at(request, Path(temporary), folder, display, LOOKED_FOR if dry_run else IN_FULL)
        plan = _plan(request, found, folder)
        if folder.exists and not dry_run and (difference := plan.difference(folder.plan())):
            raise UserError(
                f"run {plan.name} in {results} exists with a different plan ({difference}); "
                f"take another --name, or give the options it was started with"
            )
        if folder.exists and not dry_run and (versions := plan.other_versions(folder.plan())):
            raise UserError(
                f"run {plan.name} in {results} was made with other releases ({versions}); install those, or start "
                f"another run with --name"
            )
        if dry_run:
            display.planned(plan, sum(1 for _ in plan.trials()))
            for line in forecast(plan, found, registry, partial(_job, plan=plan, found=found, folder=folder)):
                display.note(f"  {line}")
            display.note("nothing was run")
            return Outcome(plan, folder, [])
        with folder.writing():
            return _carry_out(plan, found, folder, plugins, display, {*UNFINISHED, *retry})


def _looked_at(request: Request, temporary: Path, folder: RunFolder, display: Display, means: Means) -> Preflight:
    """What preflight finds; a process of it that dies is told of by name."""
    last: list[str] = []

    def show(event: Note | Preparing) -> None:
        last[:] = [event.text if isinstance(event, Note) else f"decoding {event.dataset}"]
        _show(event, display)

    known = _numerics(folder.plan()) if folder.exists else {}
    root = request.data_root or data_root()
    try:
        found: Preflight = call(
            preflight_in_process, request, temporary, root, known, hold_lease(), means, on_event=show
        )
        return _with_batch_size(request, found, folder, display) if request.find_batch_size else found
    except ProcessDied as death:
        crashed = crash(death.end)
        how = f"ended by {death.end}" if crashed is None else f"crashed: {crashed}"
        tries_channels_last = request.precision == "auto" and request.memory_format != "contiguous"
        remedy = f"; {CONTIGUOUS}" if crashed and tries_channels_last and request.device in ("auto", "cpu") else ""
        raise UserError(f"the process that prepares the run {how}{_after(last)}{remedy}") from death


def _after(last: list[str]) -> str:
    return "".join(f" (last: {text})" for text in last)


def preflight_in_process(
    request: Request,
    folder: Path,
    root: Path,
    known: dict[tuple[str, str], Numerics],
    lease: str,
    means: Means,
    report: Report,
) -> Preflight:
    """What the process of preflight does."""
    os.environ[DATA_ROOT_VARIABLE] = str(root)
    return preflight(request, Registry.of(load_plugins(request.block)), folder, report, known, lease, means)  # type: ignore[arg-type]


def _numerics(plan: Plan) -> dict[tuple[str, str], Numerics]:
    """What a run that goes on has chosen for each backbone on each dataset."""
    return {
        (cell.backbone, cell.dataset): Numerics(
            precision=cell.protocol.precision, memory_format=cell.protocol.memory_format
        )
        for cell in plan.cells
    }


def _carry_out(
    plan: Plan, found: Preflight, folder: RunFolder, plugins: Plugins, display: Display, again: set[Status]
) -> Outcome:
    if not folder.exists:
        folder.write_plan(plan)
    done = {record.trial.id for record in folder.records() if record.status not in again}
    remaining = [trial for trial, name in zip(plan.trials(), plan.trial_ids(), strict=True) if name not in done]
    display.planned(plan, len(remaining))
    keeper = Keeper(folder, plugins, display)
    keeper.notify("tlbench_run_started", plan=plan, folder=folder.path)
    jobs = _jobs(remaining, plan, found, folder)
    gpus = gpus_of(plan, found.machine)
    at_once = _at_once(plan.request, jobs, gpus, display)
    other_threads = plan.request.jobs == "auto" and at_once > 1  # than the peak was measured with
    jobs = [
        replace(
            job,
            concurrent_trials=math.ceil(at_once / gpus),
            threads=threads_each(at_once),
            peak_flops_per_second=None if other_threads else job.peak_flops_per_second,
        )
        for job in jobs
    ]
    interrupted = False
    try:
        run_trials(jobs, at_once, plan.request.timeout, keeper, gpus)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        display.close()
    records = folder.records()
    if plan.request.save == "best":
        keep_best_models(folder, records, plan)
    keeper.notify("tlbench_run_finished", plan=plan, folder=folder.path, records=records)
    return Outcome(plan, folder, records, interrupted)


def gpus_of(plan: Plan, machine: Machine) -> int:
    """How many GPUs the trials are spread over: all where no number was asked for (`cuda`, not `cuda:1`)."""
    return max(1, machine.accelerators) if {cell.device for cell in plan.cells} == {"cuda"} else 1


def _at_once(request: Request, jobs: list[TrialJob], gpus: int, display: Display) -> int:
    """How many trials run at once: as asked for; one on each GPU; or as is measured to get most done on this CPU."""
    if request.jobs != "auto":
        return request.jobs
    if gpus > 1:
        return gpus
    most = min(usable_cores(), sum(len(job.trials) for job in jobs))
    if most < 2 or jobs[0].trial.cell.device != "cpu":
        return 1
    display.note(f"trying whether {most} trials at once get more done than one")
    tried = try_at_once(jobs[0], most)
    rates = f"{tried.together:.0f} images/s, one with all threads {tried.alone:.0f}"
    display.note(f"{most} at once train {rates}: {'so they run at once' if tried.best > 1 else 'so one by one'}")
    return tried.best


def _plan(request: Request, found: Preflight, folder: RunFolder) -> Plan:
    return Plan(
        name=folder.path.name,
        created=datetime.now(UTC),
        request=request,
        cells=tuple(found.cells),
        left_out=tuple(found.left_out),
        provenance=found.provenance,
        tasks=found.tasks,
    )


def _with_batch_size(request: Request, found: Preflight, folder: RunFolder, display: Display) -> Preflight:
    """Halve the batch size until a step of every cell fits into memory; a run that goes on keeps the one it found."""
    size = request.batch_size
    if folder.exists:
        size = folder.plan().cells[0].protocol.batch_size
    else:
        plan = _plan(request, found, folder)
        for cell in plan.cells:
            job = _job(Trial(cell=cell, seed=0), plan, found, folder)
            while not fits(job, size):
                if size == 1:
                    raise UserError(
                        f"not even a batch of one image fits into memory: {cell.backbone} × {cell.strategy} "
                        f"at {cell.protocol.image_size} px; try a smaller --image-size"
                    )
                display.note(f"{cell.backbone} × {cell.strategy}: batch {size} does not fit")
                size //= 2
    if size == request.batch_size:
        return found
    changes = {"batch_size": size, "asked_batch_size": request.batch_size}
    display.note(f"batch size {size} instead of {request.batch_size}, for all cells alike")
    return found.with_protocol(changes)


def _jobs(trials: list[Trial], plan: Plan, found: Preflight, folder: RunFolder) -> list[TrialJob]:
    """A job for each trial; one for all seeds of a cell whose trials differ, as far as the plan shows, in the head."""
    places = {cell.id: place for place, cell in enumerate(plan.cells)}
    groups: dict[tuple[str, int | None], list[Trial]] = {}
    for trial in trials:
        cell = trial.cell
        same_body = cell.weights.kind != "random" or "initialisation" not in cell.protocol.vary
        together = _may_share(plan, cell) and same_body
        groups.setdefault((cell.id, None if together else trial.seed), []).append(trial)
    return [
        replace(
            _job(leader, plan, found, folder),
            others=tuple(others),
            may_be_product=_may_share(plan, leader.cell),
            place=places[leader.cell.id],
        )
        for leader, *others in groups.values()
    ]


def _may_share(plan: Plan, cell: Cell) -> bool:
    """Whether the protocol lets heads be trained in one product."""
    protocol = cell.protocol
    return (
        plan.request.features == "cache"
        and protocol.select == "last"
        and not protocol.augmentation
        and protocol.precision != "fp16"  # a scaled loss is scaled for all heads alike
        and protocol.plain_steps
        and not protocol.deterministic
    )


def _job(trial: Trial, plan: Plan, found: Preflight, folder: RunFolder) -> TrialJob:
    cell = trial.cell
    return TrialJob(
        trial=trial,
        data=found.data[cell.id],
        folder=folder.trials,
        provenance={
            "backbone": plan.provenance[cell.backbone],
            "dataset": plan.provenance[cell.dataset],
            "strategy": plan.provenance[cell.strategy],
            "task": plan.provenance[cell.task],
        },
        block=plan.request.block,
        concurrent_trials=1,
        threads=None,
        machine=found.machine,
        peak_flops_per_second=found.peak_flops_per_second[cell.protocol.precision],
        numerics=found.numerics[cell.id],
        detail=plan.request.detail,
        features=plan.request.features,
        lease=hold_lease(),
        models=None if plan.request.save == "none" else folder.models,
    )


class Keeper:
    """Writes records as they come, and tells the display and the plugins."""

    def __init__(self, folder: RunFolder, plugins: Plugins, display: Display) -> None:
        self._folder = folder
        self._plugins = plugins
        self._display = display
        self._told: set[tuple[str, str]] = set()

    def started(self, job: TrialJob) -> None:
        """A trial's process has been started."""
        self._display.started(job.trial)
        self.notify("tlbench_trial_started", trial=job.trial)

    def event(self, job: TrialJob, event: Event) -> None:
        """A job tells of its progress."""
        if isinstance(event, Grouped):
            for trial in job.others if event.together else ():
                self._display.started(trial, job.trial)
                self.notify("tlbench_trial_started", trial=trial)
            return
        if isinstance(event, PluginRaised):
            self._tell_once(event.plugin, event.moment, event.message)
            return
        self._display.event(job.trial, event)
        if isinstance(event, EpochDone):
            values = {"train_loss": event.train_loss, "images_per_second": event.images_per_second}
            trial = next((each for each in job.trials if each.seed == event.seed), job.trial)
            self.notify("tlbench_epoch_finished", trial=trial, epoch=event.epoch, values=values)

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


def _show(event: Note | Preparing, display: Display) -> None:
    if isinstance(event, Preparing):
        display.preparing(event)
    else:
        display.note(event.text)


def _new_name() -> str:
    return f"{datetime.now():%Y-%m-%d-%H%M%S}-{secrets.token_hex(2)}"
