"""The jobs of a plan: which trials one process is given, and how many processes there are."""

from __future__ import annotations

from dataclasses import replace

from tlbench.cache import hold_lease
from tlbench.execute.concurrency import try_at_once
from tlbench.measure.cores import usable_cores
from tlbench.measure.machine import Machine
from tlbench.plan.cell import Cell, Trial
from tlbench.plan.found import Preflight
from tlbench.plan.named import parts_among
from tlbench.plan.plan import Plan
from tlbench.plan.request import Request
from tlbench.registry.chosen import in_use
from tlbench.registry.provenance import Provenance
from tlbench.results.store import RunFolder
from tlbench.session.display import Display
from tlbench.trial.jobs import TrialJob


def jobs_of(trials: list[Trial], plan: Plan, found: Preflight, folder: RunFolder) -> list[TrialJob]:
    """A job for each trial; one for all seeds of a cell whose heads the plan has trained together."""
    places = {cell.id: place for place, cell in enumerate(plan.cells)}
    groups: dict[tuple[str, int | None], list[Trial]] = {}
    for trial in trials:
        cell = trial.cell
        given = cell.weights.kind != "random" or cell.source_model is not None
        same_body = given or "initialisation" not in cell.protocol.vary
        batched = cell.id in plan.batched and same_body
        groups.setdefault((cell.id, None if batched else trial.seed), []).append(trial)
    return [
        replace(
            job_of(leader, plan, found, folder),
            others=tuple(others),
            product=leader.cell.id in plan.batched and (len(others) > 0 or len(leader.cell.tuned_rates) > 1),
            place=places[leader.cell.id],
        )
        for leader, *others in groups.values()
    ]


def job_of(trial: Trial, plan: Plan, found: Preflight, folder: RunFolder) -> TrialJob:
    """The job of one trial."""
    cell = trial.cell
    return TrialJob(
        trial=trial,
        data=found.data[cell.id],
        other_data=found.other_data[cell.id],
        shifted=found.shifted[cell.id],
        provenance={
            "backbone": plan.provenance[cell.backbone],
            "dataset": plan.provenance[cell.dataset],
            "strategy": plan.provenance[cell.strategy],
            "task": plan.provenance[cell.task],
            **{f"dataset {each.dataset}": plan.provenance[each.dataset] for each in cell.other_datasets},
            **_source(plan, cell),
            **{f"dataset {each.dataset}": plan.provenance[each.dataset] for each in cell.test_on},
            **parts_among(plan.provenance),
        },
        plugins=in_use(),
        concurrent_trials=1,
        threads=None,
        machine=found.machine,
        peak_flops_per_second=found.peak_flops_per_second[cell.protocol.precision],
        numerics=found.numerics[cell.id],
        detail=plan.request.detail,
        features=plan.request.features,
        lease=hold_lease(),
        save=plan.request.save != "none",
        source_images=found.source_images.get(cell.id),
    )


def _source(plan: Plan, cell: Cell) -> dict[str, Provenance]:
    """Where a source dataset comes from."""
    source = cell.source_model
    return {} if source is None or source.kind == "saved" else {"source": plan.provenance[source.name]}


def gpus_of(plan: Plan, machine: Machine) -> int:
    """How many GPUs the trials are spread over: all where no number was asked for (`cuda`, not `cuda:1`)."""
    return max(1, machine.accelerators) if {cell.device for cell in plan.cells} == {"cuda"} else 1


def at_once_of(request: Request, jobs: list[TrialJob], gpus: int, display: Display) -> int:
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
