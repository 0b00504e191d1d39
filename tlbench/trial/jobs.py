"""What one process is given to do, and the record it leaves when it can't."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tlbench.contracts.backbone import Preprocessing
from tlbench.data.prepared import PreparedDataset, SourceImages
from tlbench.measure.machine import Machine
from tlbench.plan.cell import Cell, Trial
from tlbench.plan.choices import FeaturesPolicy
from tlbench.registry.chosen import Chosen
from tlbench.registry.provenance import Provenance
from tlbench.results.beside import SourceRecord
from tlbench.results.records import (
    DataRecord,
    ErrorRecord,
    NumericsCandidate,
    PreprocessingRecord,
    Record,
    Status,
    TrialKey,
    WeightsRecord,
)


@dataclass(frozen=True)
class SourceModel:
    """A trained source model: the folder that it is saved in, and what records have of it."""

    folder: Path
    record: SourceRecord


@dataclass(frozen=True)
class TrialJob:
    """All that a process needs to know to run a trial; `threads` None leaves torch's own choice.

    `detail` asks for the parts of the steps; `peak_flops_per_second` is what the machine was measured to reach;
    `numerics` is what was measured to choose the cell's precision. `lease` is the one that cached features are
    kept for. `other_data` are the other datasets that the strategy trains on, by its own names for them, `shifted`
    those that the trained models are tested on besides, by their qualified names.

    `others` are trials of the same cell, which are trained together with it. With `product`, the heads of all trials
    and rates are trained as one; what goes wrong then is no trial's fault, and each is tried `alone`. `place` is the
    cell's in the plan. `source` is the model that the trial goes on from, where its cell has one; steps that are only
    tried do without. `source_images` are what it is measured on again, or why it can't be; None where nobody asked.
    With `save`, the trained models are kept. `gpu` is the number of the GPU that `cuda` alone stands for.
    """

    trial: Trial
    data: PreparedDataset
    other_data: dict[str, PreparedDataset]
    provenance: dict[str, Provenance]
    plugins: Chosen
    concurrent_trials: int
    threads: int | None
    machine: Machine
    peak_flops_per_second: float | None
    detail: bool = False
    features: FeaturesPolicy = "cache"
    lease: str | None = None
    others: tuple[Trial, ...] = ()
    product: bool = False
    place: int = 0
    gpu: int | None = None
    save: bool = False
    source: SourceModel | None = None
    source_images: SourceImages | str | None = None
    numerics: list[NumericsCandidate] = dataclasses.field(default_factory=list)
    shifted: dict[str, PreparedDataset] = dataclasses.field(default_factory=dict)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of them, the leading one first."""
        return (self.trial, *self.others)

    def alone(self) -> list[TrialJob]:
        """Its trials as jobs by themselves, each trained by itself."""
        return [dataclasses.replace(self, trial=trial, others=(), product=False) for trial in self.trials]


def trial_key(trial: Trial) -> TrialKey:
    """The part of a record that says which trial it is of."""
    return TrialKey(id=trial.id, cell_id=trial.cell.id, seed=trial.seed, cell=trial.cell)


def weights_record(cell: Cell, digest: str | None) -> WeightsRecord:
    """The part of a record that says which tensors the trial started from."""
    return WeightsRecord(**cell.weights.model_dump(exclude={"detail"}), digest=digest)


def preprocessing_record(used: Preprocessing, image_size: int) -> PreprocessingRecord:
    """The part of a record that says how images became the model's input."""
    return PreprocessingRecord(
        image_size=image_size, interpolation=used.interpolation, mean=list(used.mean), std=list(used.std)
    )


def data_record(data: PreparedDataset) -> DataRecord:
    """The part of a record that counts the images."""
    leak = next(each for each in data.leaks if each.split == "test")
    return DataRecord(
        names=list(data.classes),
        train_images=data.images["train"],
        val_images=data.images["val"],
        test_images=data.images["test"],
        available=data.available,
        duplicates_train_test=leak.equal,
        near_duplicates_train_test=leak.near,
        duplicates_example=leak.example,
        dropped_duplicates=data.dropped_duplicates,
        unreadable_images=len(data.unreadable),
        levels=None if data.levels is None else (data.levels.low, data.levels.high),
        lacking=list(data.lacking),
        prepare_seconds=data.prepare_seconds,
        streamed=data.streamed,
    )


def failure(
    job: TrialJob,
    status: Status,
    error: ErrorRecord,
    started: datetime,
    weights_digest: str | None = None,
    environment: dict[str, Any] | None = None,
    trial: Trial | None = None,
) -> Record:
    """The record of a trial (the job's leading one) without a result; of its environment, at least the machine."""
    trial = trial or job.trial
    return Record(
        trial=trial_key(trial),
        status=status,
        started=started,
        weights=weights_record(trial.cell, weights_digest),
        data=data_record(job.data),
        environment=environment or job.machine.model_dump(),
        provenance=job.provenance,
        source=None if job.source is None else job.source.record,
        error=error,
    )
