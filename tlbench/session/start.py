"""A run from request to records: plan it, say what will happen, carry it out, keep what comes of it."""

from __future__ import annotations

import math
import secrets
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from tlbench.errors import OtherRun
from tlbench.execute.executor import Executor
from tlbench.execute.queue import run_trials
from tlbench.measure.cores import threads_each
from tlbench.plan.forecast import forecast
from tlbench.plan.found import Preflight
from tlbench.plan.named import resolve, with_parts
from tlbench.plan.plan import Plan
from tlbench.plan.plugin_defaults import with_plugin_defaults
from tlbench.plan.request import Request
from tlbench.plan.weights import IN_FULL, LOOKED_FOR
from tlbench.registry.chosen import using, with_objects
from tlbench.registry.columns import columns_for
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.results.best import keep_best_models
from tlbench.results.records import UNFINISHED, Record, Status
from tlbench.results.store import RunFolder, check_writable
from tlbench.session.display import Display
from tlbench.session.jobs import at_once_of, gpus_of, job_of, jobs_of
from tlbench.session.keeper import Keeper
from tlbench.session.look import looked_at, plan_of
from tlbench.session.reporters import Reporters, made
from tlbench.session.source_stage import SourceStage
from tlbench.temporary import temporary_folder
from tlbench.trial.jobs import TrialJob


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

    Raises UserError before anything runs where the request can't be carried out as asked, OtherRun where it is the run
    of that name that is unlike.
    """
    with using(with_objects(request.chosen)):
        return _start(request, results, name, display, retry, dry_run)


def _start(
    request: Request, results: Path, name: str | None, display: Display, retry: Collection[Status], dry_run: bool
) -> Outcome:
    plugins = load_plugins()
    request = with_plugin_defaults(request, plugins, display.note)
    registry = Registry.of(plugins)
    for origin in plugins.provenance.values():
        if origin.local:
            display.note(f"using the plugin {origin.plugin} ({origin.distribution}, {origin.version})")
    for fault in plugins.faults:
        display.note(f"warning: {fault}")
    for text in plugins.notes:
        display.note(f"warning: {text}")
    request = with_parts(request, registry)
    named = resolve(request, registry)
    if not dry_run:
        check_writable(results)
    reporters = {} if dry_run else made(named.reporters)
    folder = RunFolder(results / (name or _new_name()))
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as temporary:
        found = looked_at(request, Path(temporary), folder, display, LOOKED_FOR if dry_run else IN_FULL)
        plan = plan_of(request, found, folder)
        if folder.exists and not dry_run and (difference := plan.difference(folder.plan())):
            raise OtherRun(
                f"run {plan.name} in {results} exists with a different plan ({difference}); "
                f"take another --name, or give the options it was started with"
            )
        if folder.exists and not dry_run and (versions := plan.other_versions(folder.plan())):
            raise OtherRun(
                f"run {plan.name} in {results} was made with other releases ({versions}); install those, or start "
                f"another run with --name"
            )
        if dry_run:
            display.planned(plan, sum(1 for _ in plan.trials()))
            for line in forecast(plan, found, registry, partial(job_of, plan=plan, found=found, folder=folder)):
                display.note(f"  {line}")
            display.note("nothing was run")
            return Outcome(plan, folder, [])
        with folder.writing():
            executors = registry.executors.resolve(request.executor)
            executor = executors.load()
            listeners = Reporters(reporters, columns_for(plan, registry), display.note)
            keeper = Keeper(folder, plugins, listeners, display)
            sources = SourceStage(plan, found, folder, executors.load, display)
            return _carry_out(plan, found, folder, keeper, executor, sources, display, {*UNFINISHED, *retry})


def _carry_out(
    plan: Plan,
    found: Preflight,
    folder: RunFolder,
    keeper: Keeper,
    executor: Executor,
    sources: SourceStage,
    display: Display,
    again: set[Status],
) -> Outcome:
    if not folder.exists:
        folder.write_plan(plan)
    done = {record.trial.id for record in folder.records() if record.status not in again}
    remaining = [trial for trial, name in zip(plan.trials(), plan.trial_ids(), strict=True) if name not in done]
    display.planned(plan, len(remaining))
    keeper.run_started(plan)
    jobs = jobs_of(remaining, plan, found, folder)
    interrupted = False
    try:
        _run_jobs(sources.given_to(jobs, keeper), plan, found, keeper, executor, display)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        display.close()
    records = folder.records()
    if plan.request.save == "best":
        keep_best_models(folder, records, plan)
    keeper.run_finished(plan, records)
    return Outcome(plan, folder, records, interrupted)


def _run_jobs(
    jobs: list[TrialJob], plan: Plan, found: Preflight, keeper: Keeper, executor: Executor, display: Display
) -> None:
    """Run jobs, so many at once as is asked for or gets most done."""
    gpus = gpus_of(plan, found.machine)
    at_once = at_once_of(plan.request, jobs, gpus, display)
    other_threads = plan.request.jobs == "auto" and at_once > 1  # than the peak was measured with
    ready = [
        replace(
            job,
            concurrent_trials=math.ceil(at_once / gpus),
            threads=threads_each(at_once),
            peak_flops_per_second=None if other_threads else job.peak_flops_per_second,
        )
        for job in jobs
    ]
    run_trials(ready, executor, at_once, plan.request.timeout, keeper, gpus)


def _new_name() -> str:
    return f"{datetime.now():%Y-%m-%d-%H%M%S}-{secrets.token_hex(2)}"
