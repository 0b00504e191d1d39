"""A trial's model written beside its record, where the run saves models."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from tlbench.engine.context import Context
from tlbench.plan.cell import Trial
from tlbench.registry.kinds import Registry
from tlbench.results.store import RunFolder
from tlbench.saved.document import SavedComponent, SavedDocument, SavedPreprocessing, write_model
from tlbench.saved.rebuild import refusal
from tlbench.trial.jobs import TrialJob

NOTE = "model"


def save_model(
    context: Context, job: TrialJob, trial: Trial, registry: Registry, out: RunFolder, notes: MutableMapping[str, Any]
) -> None:
    """Write the model as it is now; where it could not be rebuilt, none is written, and a note says why."""
    if not job.save:
        return
    document = _document(context, job, trial)
    tensors = context.model.module.state_dict()
    why_not = context.strategy.load().not_saved or refusal(document, registry, tensors)
    if why_not:
        notes[NOTE] = f"not saved: {why_not}"
        return
    write_model(out.model(trial.id), document, tensors)


def _document(context: Context, job: TrialJob, trial: Trial) -> SavedDocument:
    cell, data, preprocessing = trial.cell, job.data, context.model.preprocessing
    backbone, strategy, task = (
        SavedComponent(name=ref.partition(":")[0], options=cell.options.get(kind, {}))
        for kind, ref in (("backbone", cell.backbone), ("strategy", cell.strategy), ("task", cell.task))
    )
    return SavedDocument(
        trial=trial.id,
        dataset=cell.dataset,
        backbone=backbone,
        strategy=strategy,
        task=task,
        names=data.classes,
        statistics={name: list(values) for name, values in context.statistics.items()},
        preprocessing=SavedPreprocessing(
            image_size=cell.protocol.image_size,
            interpolation=preprocessing.interpolation,
            mean=preprocessing.mean,
            std=preprocessing.std,
            levels=None if data.levels is None else (data.levels.low, data.levels.high),
        ),
        precision=cell.protocol.precision,
        memory_format=cell.protocol.memory_format,
        weights_digest=context.progress.weights_digest,
        provenance=job.provenance,
    )
