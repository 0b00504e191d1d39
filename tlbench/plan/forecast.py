"""What a planned run will take: cells, room on the disk, and time by a short calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from tlbench.cache import cache_limit_bytes, spelled_bytes
from tlbench.execute.concurrency import images_per_second
from tlbench.plan.cell import Cell, Trial, WeightsPlan
from tlbench.plan.found import Preflight
from tlbench.plan.plan import Plan
from tlbench.registry.kinds import Registry
from tlbench.report import text
from tlbench.report.short import backbone_name, names_of_cells
from tlbench.trial.jobs import TrialJob
from tlbench.words import counted

SHOWN = 20
"""Cells that are named; the rest is counted."""


def forecast(plan: Plan, found: Preflight, registry: Registry, job: Callable[[Trial], TrialJob]) -> Iterator[str]:
    """The cells, the room that decoded images take, and how long the run takes at most; a sentence each."""
    names = names_of_cells((*plan.sources, *plan.cells))
    for cell in plan.cells[:SHOWN]:
        yield " × ".join((backbone_name(cell, names), names[cell.dataset], names[cell.strategy]))
    if len(plan.cells) > SHOWN:
        yield f"and {counted(len(plan.cells) - SHOWN, 'cell')} more"
    if not plan.cells:
        return
    sizes = {
        data.folder: sum(data.images.values()) * data.image_size**2 * data.channels for data in found.data.values()
    }
    if (largest := max(sizes.values())) > cache_limit_bytes():
        yield f"decoded images: more than the cache may hold ({spelled_bytes(largest)}), so they are decoded as needed"
    else:
        yield f"decoded images: {spelled_bytes(sum(sizes.values()))} on the disk"
    cells = (*plan.sources, *plan.cells)
    rates = {(cell.backbone, cell.dataset): 0.0 for cell in cells}
    for key in rates:
        cell = next(each for each in cells if (each.backbone, each.dataset) == key)
        rates[key] = images_per_second(_from_random(job(Trial(cell=cell, seed=0))))
        yield f"training all of {names[cell.backbone]}: {rates[key]:.0f} images/s ({names[cell.dataset]})"
    if not all(rates.values()):
        yield "time: not known, since training steps failed"
        return
    seconds, source_seconds = (
        sum(_images(cell, found, registry) / rates[cell.backbone, cell.dataset] for cell in some)
        for some in (plan.cells, plan.sources)
    )
    total = plan.request.seeds * seconds + source_seconds
    yield (
        f"time: at most about {text.seconds(total)} of training, as if each strategy computed "
        f"whole steps; frozen parts are computed once, and take a fraction of it"
    )


def _from_random(job: TrialJob) -> TrialJob:
    """The same trial from random weights: a step takes the same, and nothing is downloaded."""
    weights = WeightsPlan(kind="random", reason="requested")
    cell = job.trial.cell.model_copy(update={"weights": weights, "source_model": None})
    return dataclasses.replace(job, trial=Trial(cell=cell, seed=0))


def _images(cell: Cell, found: Preflight, registry: Registry) -> float:
    """Images of the training steps of one seed, for all learning rates that are tried."""
    component = registry.strategies.resolve(cell.strategy)
    strategy = component.load()
    if not strategy.learning_rates:
        return 0.0
    passes = strategy.passes(component.options) if strategy.passes else 1.0
    spent = 1.0 if cell.protocol.budget == "passes" else passes
    return spent * cell.protocol.epochs * found.data[cell.id].images["train"] * max(1, len(cell.tuned_rates))
