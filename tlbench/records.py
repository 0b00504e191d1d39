"""The schema of a trial's record. What was not measured is null, never 0."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tlbench.plan import Cell
from tlbench.plugins import Provenance

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "out-of-memory", "timeout", "diverged", "killed", "interrupted"]

UNFINISHED: tuple[Status, ...] = ("killed", "interrupted")
"""Statuses that say nothing of the cell: resuming a run tries these trials again."""


class Part(BaseModel):
    """The base of a record's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialKey(Part):
    """Which trial this is the record of."""

    id: str
    cell_id: str
    seed: int
    cell: Cell


class WeightsRecord(Part):
    """The tensors that the trial started from; `digest` is SHA-256 over all but the head's."""

    kind: Literal["pretrained", "random", "file"]
    reason: str | None = None
    name: str | None = None
    url: str | None = None
    licence: str | None = None
    digest: str | None = None


class Metrics(Part):
    """What the trained model does: shares of images classified correctly, and the last epoch's mean loss."""

    accuracy: float
    val_accuracy: float
    train_loss: float | None


class DataRecord(Part):
    """The images of the trial."""

    classes: int
    train_images: int
    val_images: int
    test_images: int
    duplicates_train_test: int


class StepMs(Part):
    """Milliseconds of a training step on a full batch, after warm-up."""

    median: float
    p05: float
    p95: float
    n: int


class Cost(Part):
    """What the trial cost. Times are wall time of the trial's process."""

    basis: Literal["measured"] = "measured"
    concurrent_trials: int
    paid_seconds: float
    load_seconds: float
    train_seconds: float
    evaluate_seconds: float
    warmup_steps: int
    warmup_seconds: float
    step_ms: StepMs | None
    images_per_second: float | None
    peak_memory_bytes: int
    memory_basis: Literal["resident-growth", "cuda-allocated"]
    energy_joules: float | None = None
    flops_per_image: float | None = None
    trainable_parameters: int
    total_parameters: int


class ErrorRecord(Part):
    """Why a trial has no result."""

    type: str
    message: str
    phase: int | None = None
    step: int | None = None
    traceback: str | None = None


class Record(Part):
    """The result of one trial."""

    schema_version: Literal[1] = 1
    trial: TrialKey
    status: Status
    started: datetime
    weights: WeightsRecord
    data: DataRecord | None = None
    metrics: Metrics | None = None
    cost: Cost | None = None
    environment: dict[str, Any] | None = None
    provenance: dict[str, Provenance] = {}
    predictions: str | None = None
    error: ErrorRecord | None = None
