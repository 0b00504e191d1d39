"""What one process is given to do, and the record it leaves when it can't."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tlbench.data.prepare import PreparedDataset
from tlbench.plan import Cell, Trial
from tlbench.plugins import Provenance
from tlbench.records import DataRecord, ErrorRecord, Record, Status, TrialKey, WeightsRecord


@dataclass(frozen=True)
class TrialJob:
    """All that a trial's process needs to know; `threads` None leaves torch's own choice."""

    trial: Trial
    data: PreparedDataset
    predictions: Path
    provenance: dict[str, Provenance]
    block: tuple[str, ...]
    concurrent_trials: int
    threads: int | None


def trial_key(trial: Trial) -> TrialKey:
    """The part of a record that says which trial it is of."""
    return TrialKey(id=trial.id, cell_id=trial.cell.id, seed=trial.seed, cell=trial.cell)


def weights_record(cell: Cell, digest: str | None) -> WeightsRecord:
    """The part of a record that says which tensors the trial started from."""
    return WeightsRecord(**cell.weights.model_dump(exclude={"detail"}), digest=digest)


def data_record(data: PreparedDataset) -> DataRecord:
    """The part of a record that counts the images."""
    return DataRecord(
        classes=len(data.classes),
        train_images=data.images["train"],
        val_images=data.images["val"],
        test_images=data.images["test"],
        duplicates_train_test=data.duplicates_train_test,
    )


def failure(
    job: TrialJob, status: Status, error: ErrorRecord, started: datetime, weights_digest: str | None = None
) -> Record:
    """The record of a trial without a result."""
    return Record(
        trial=trial_key(job.trial),
        status=status,
        started=started,
        weights=weights_record(job.trial.cell, weights_digest),
        data=data_record(job.data),
        provenance=job.provenance,
        error=error,
    )
