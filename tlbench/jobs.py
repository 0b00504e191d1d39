"""What one process is given to do, and the record it leaves when it can't."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tlbench.data.prepare import PreparedDataset
from tlbench.machine import Machine
from tlbench.plan import Cell, FeaturesPolicy, Trial
from tlbench.provenance import Provenance
from tlbench.records import DataRecord, ErrorRecord, Record, Status, TrialKey, WeightsRecord


@dataclass(frozen=True)
class TrialJob:
    """All that a trial's process needs to know; `threads` None leaves torch's own choice.

    `detail` asks for the parts of the steps; `peak_flops_per_second` is what the machine was measured to reach.
    `lease_to` is the process that cached features are kept for.
    """

    trial: Trial
    data: PreparedDataset
    predictions: Path
    provenance: dict[str, Provenance]
    block: tuple[str, ...]
    concurrent_trials: int
    threads: int | None
    machine: Machine
    peak_flops_per_second: float | None
    detail: bool = False
    features: FeaturesPolicy = "cache"
    lease_to: int | None = None


def threads_each(trials_at_once: int) -> int | None:
    """The threads of each of so many trials; None, torch's own choice, for one alone."""
    return None if trials_at_once == 1 else max(1, (os.cpu_count() or 1) // trials_at_once)


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
        prepare_seconds=data.prepare_seconds,
    )


def failure(
    job: TrialJob,
    status: Status,
    error: ErrorRecord,
    started: datetime,
    weights_digest: str | None = None,
    environment: dict[str, Any] | None = None,
) -> Record:
    """The record of a trial without a result; of its environment, at least the machine."""
    return Record(
        trial=trial_key(job.trial),
        status=status,
        started=started,
        weights=weights_record(job.trial.cell, weights_digest),
        data=data_record(job.data),
        environment=environment or job.machine.model_dump(),
        provenance=job.provenance,
        error=error,
    )
