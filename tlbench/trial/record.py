"""The record of a trial that has come to its end: one builder, whether it was trained alone or with others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tlbench.engine.context import Context
from tlbench.plan.cell import Trial
from tlbench.results.beside import RetentionRecord
from tlbench.results.costs import Cost
from tlbench.results.records import CandidateRecord, CurveRecord, DistanceRecord, EpochRecord, Metrics, Record
from tlbench.results.store import RunFolder
from tlbench.trial.jobs import TrialJob, data_record, preprocessing_record, trial_key, weights_record
from tlbench.trial.robustness import NOT_ASKED, Robustness


@dataclass(frozen=True)
class Found:
    """What a trial has found: figures, costs, and what led to them."""

    metrics: Metrics
    learning_rate: float | None
    history: list[EpochRecord]
    distance: DistanceRecord
    cost: Cost
    notes: dict[str, Any]
    retention: RetentionRecord | None = None
    tuning: list[CandidateRecord] = field(default_factory=list)
    robustness: Robustness = NOT_ASKED


def record_of(context: Context, job: TrialJob, trial: Trial, found: Found, out: RunFolder, started: datetime) -> Record:
    """The record of one of a job's trials, whose predictions lie in `out`."""
    return Record(
        trial=trial_key(trial),
        status="ok",
        started=started,
        weights=weights_record(trial.cell, context.progress.weights_digest),
        preprocessing=preprocessing_record(context.model.preprocessing, job.data.image_size),
        data=data_record(job.data),
        learning_rate=found.learning_rate,
        tuning=found.tuning,
        metrics=found.robustness.added_to(found.metrics),
        corruptions=found.robustness.corruptions,
        history=found.history,
        distance=found.distance,
        notes=found.notes,
        curves={
            name: CurveRecord(phases=each.phases, steps=each.steps, values=each.values)
            for name, each in context.model.curves.items()
        },
        cost=found.cost,
        environment=context.progress.environment,
        numerics=job.numerics,
        provenance=job.provenance,
        retention=found.retention,
        source=None if job.source is None else job.source.record,
        predictions=out.predictions(trial.id).name,
    )
