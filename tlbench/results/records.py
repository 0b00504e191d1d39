"""The schema of a trial's record. What was not measured is null, never 0."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from tlbench.contracts.backbone import Interpolation
from tlbench.plan.cell import Cell
from tlbench.plan.choices import MemoryFormat, Precision
from tlbench.registry.provenance import Provenance
from tlbench.results.beside import CorruptionsRecord, RetentionRecord, SourceRecord
from tlbench.results.costs import Cost
from tlbench.results.part import RecordPart
from tlbench.words import bounded

SCHEMA_VERSION = 4
EXAMPLE_SCORES = "example_scores"
"""The tensor of a predictions file with each example's share in the primary metric."""

Status = Literal["ok", "failed", "out-of-memory", "timeout", "diverged", "crashed", "killed", "interrupted"]

UNFINISHED: tuple[Status, ...] = ("killed", "interrupted")
"""Statuses that say nothing of the cell: resuming a run tries these trials again."""


class TrialKey(RecordPart):
    """Which trial this is the record of."""

    id: str = Field(description="Id of the cell and the seed, joined by a dash.")
    cell_id: str = Field(description="16 hex digits, a digest of all that decides the results of the cell.")
    seed: int = Field(description="Seed of the trial, from 0.")
    cell: Cell = Field(description="What is compared, with every option that decides the result.")


class WeightsRecord(RecordPart):
    """The tensors that the trial started from."""

    kind: Literal["pretrained", "random", "file"] = Field(
        description="`pretrained` for published weights, `file` for those of `--weights FILE`, `random` for a new draw."
    )
    reason: str | None = Field(
        None,
        description="Why the weights are random: `strategy` (from scratch on purpose), `requested` (`--weights "
        "random`), `none-published` or `unavailable` (not on this machine); null where they are not random.",
    )
    name: str | None = Field(
        None,
        description="Name of the published weights, or of the file with 16 hex digits of its SHA-256; null where the "
        "weights are random, unless published ones were unavailable.",
    )
    url: str | None = Field(
        None,
        description="URL of the published weights, or the absolute path of the file; null where the weights are "
        "random, unless published ones were unavailable, and where the backbone states none.",
    )
    licence: str | None = Field(
        None,
        description="Licence of the published weights; null where the weights are random, unless published ones were "
        "unavailable, where they are from a file, and where the backbone states none.",
    )
    digest: str | None = Field(
        None,
        description="SHA-256 over all tensors but the head's; null where the trial ended before they were loaded, or "
        "its process ended without a record of its own.",
    )


class Metrics(RecordPart):
    """What the trained model's predictions are worth: the task's metrics, and those of plugins, by name."""

    primary: str = Field(description="Name of the metric that models are chosen and compared by.")
    test: dict[str, float | None] = Field(
        description="All metrics of test, by name; null where a metric can't be computed for the split, or the "
        "plugin's function raised."
    )
    val: dict[str, float | None] = Field(
        default_factory=dict,
        description="All metrics of val, by name (upgraded records have accuracy alone); null where a metric can't be "
        "computed for the split, or the plugin's function raised.",
    )
    by_target: dict[str, list[float | None]] = Field(
        default_factory=dict,
        description="Metrics of test for each class, label or target, in the order of `data.names`; null for one that "
        "does not occur in test.",
    )
    chance: float | None = Field(
        None,
        description="Primary metric on test of the best prediction that knows nothing of an image; null where it can't "
        "be computed, and in upgraded records.",
    )
    at_chance: bool = Field(False, description="Whether the model is no better than chance, by the task's rule.")
    train_loss: float | None = Field(
        None,
        description="Mean loss of the last epoch, penalties included; null where no phase trains by steps.",
    )
    corrupted: float | None = Field(
        None,
        description="Mean of the primary metric of test over all corruptions and severities; null without "
        "`--corruptions`, and where it can't be computed under one of them.",
    )
    shifted: dict[str, dict[str, float | None]] = Field(
        default_factory=dict,
        description="All metrics of the test split of other datasets, by the dataset's qualified name; empty without "
        "`--test-on`; null as in `test`, and where the model's outputs are not finite.",
    )

    @property
    def value(self) -> float | None:
        """The primary metric of test."""
        return self.test.get(self.primary)


class EpochRecord(RecordPart):
    """An epoch of a `Train` phase."""

    phase: int = Field(description="Place of the phase among those of the strategy, from 0.")
    epoch: int = Field(description="Number of the epoch in its phase, from 1.")
    train_loss: float = Field(description="Mean training loss of the epoch, penalties included.")
    val: float | None = Field(
        None,
        description="Primary metric of val after the epoch; null without `--select best` and `--patience`, and where "
        "it can't be computed.",
    )
    kept: bool = Field(True, description="Whether the phase ends with the model of this epoch.")


class CurveRecord(RecordPart):
    """What a strategy has logged under one name by `model.log`, in its order; at most 1,000 points, evenly thinned."""

    phases: list[int] = Field(description="Place of the phase that each point was logged in, from 0.")
    steps: list[int] = Field(description="Number of the phase's steps that were done at each point.")
    values: list[float | None] = Field(description="Logged values; null where one is not finite.")

    def points(self) -> list[tuple[int, float]]:
        """Steps over all phases (those that anything was logged in), and the finite values."""
        found, before, phase, last = [], 0, None, 0
        for number, step, value in zip(self.phases, self.steps, self.values, strict=True):
            if number != phase:
                before, phase = before + last, number
            last = step
            if value is not None:
                found.append((before + step, value))
        return found


class DataRecord(RecordPart):
    """The images of the trial."""

    names: list[str] = Field(default_factory=list, description="Names of the classes, labels or targets.")
    train_images: int = Field(description="Number of training images.")
    val_images: int = Field(description="Number of val images.")
    test_images: int = Field(description="Number of test images.")
    available: dict[str, int] = Field(
        default_factory=dict,
        description="Number of images of each split that the dataset itself has, before subsets are drawn.",
    )
    duplicates_train_test: int = Field(description="Number of test images that train has pixel for pixel.")
    near_duplicates_train_test: int = Field(
        0, description="Number of further test images that look the same as one of train to a perceptual hash."
    )
    duplicates_example: tuple[str, str] | None = Field(
        None,
        description="An image of train and its duplicate in test; null where there is none.",
    )
    dropped_duplicates: int = Field(
        0, description="Number of images that `--drop-duplicates` took out of train, as val or test has them."
    )
    unreadable_images: int = Field(0, description="Number of images that `--skip-unreadable` left out.")
    levels: tuple[float, float] | None = Field(
        None,
        description="Values that became black and white in images of more than 8 bits; null where there are no such "
        "images, and the dataset states no range of values.",
    )
    lacking: list[str] = Field(
        default_factory=list,
        description="Sentences that say which splits lack which classes, labels or targets.",
    )
    prepare_seconds: float | None = Field(
        None,
        description="Seconds that decoding the images took when it was done (the cache keeps them); null where it was "
        "not timed.",
    )
    streamed: bool = Field(
        False,
        description="Whether the images were too many to keep, and were decoded again whenever they were needed.",
    )


class CandidateRecord(RecordPart):
    """A learning rate that was tried."""

    learning_rate: float = Field(description="Learning rate of the candidate.")
    val: float | None = Field(
        description="Primary metric of val; null where training with the rate diverged, and where it can't be computed."
    )
    val_loss: float | None = Field(description="Mean loss of val; null where training with the rate diverged.")
    seconds: float = Field(description="Seconds of training with the rate and predicting val.")
    chosen: bool = Field(False, description="Whether the rate was chosen, and its model tested.")


class BlockDistance(RecordPart):
    """How far a block's parameters went from where they started."""

    name: str = Field(description="Path of the block in the model; `other` for tensors outside of any block.")
    l2: float | None = Field(description="L2 distance; null where it is not a finite number.")
    relative: float | None = Field(
        description="L2 distance over the L2 norm at the start; null where that norm is 0, and where the ratio is not "
        "a finite number."
    )


class DistanceRecord(RecordPart):
    """The way of the body's parameters from the source model's to the trained model's; new tensors are not counted."""

    l2: float | None = Field(description="L2 distance of all tensors; null where it is not a finite number.")
    relative: float | None = Field(
        description="L2 distance over the L2 norm at the start; null where that norm is 0, and where the ratio is not "
        "a finite number."
    )
    blocks: list[BlockDistance] = Field(default_factory=list, description="Distance of each block, in order.")


class NumericsCandidate(RecordPart):
    """A number format and memory format that was tried for `--precision auto`."""

    precision: Precision = Field(description="Number format of the model's products.")
    memory_format: MemoryFormat = Field(description="Order of images in memory.")
    step_ms: float = Field(description="Median milliseconds of a training step.")
    loss: float | None = Field(description="Loss of the first step; null where it was not a finite number.")
    exact_enough: bool = Field(description="Whether the loss is as near to that of fp32 as it must be.")


LONGEST_MESSAGE, LONGEST_TRACE = 4_000, 40_000


class ErrorRecord(RecordPart):
    """Why a trial has no result. Messages are bounded, and what is no text in them is escaped."""

    type: str = Field(
        description="Name of the exception's class, of the signal that ended the process, or of what the run found."
    )
    message: str = Field(description="What went wrong, in words.")
    phase: int | None = Field(
        None,
        description="Place of the phase that was being carried out, from 0; null where none was, or none was heard of.",
    )
    step: int | None = Field(
        None,
        description="Last step of the phase that was finished, from 1, or the first whose loss was not finite; null "
        "where none was, or none was heard of.",
    )
    traceback: str | None = Field(
        None,
        description="Python traceback, or the stack of a process that crashed; null where there is none, as for "
        "`timeout`, `killed` and `interrupted`.",
    )

    @field_validator("type", "message", mode="after")
    @classmethod
    def _message(cls, value: str) -> str:
        return bounded(value, LONGEST_MESSAGE)

    @field_validator("traceback", mode="after")
    @classmethod
    def _trace(cls, value: str | None) -> str | None:
        return None if value is None else bounded(value, LONGEST_TRACE)


class PreprocessingRecord(RecordPart):
    """How images became the model's input: uint8 / 255, less `mean`, over `std`, channel by channel."""

    image_size: int = Field(description="Pixels of an image's side.")
    interpolation: Interpolation = Field(description="How images were resized.")
    mean: list[float] = Field(description="Mean of each channel, from 0 to 1.")
    std: list[float] = Field(description="Standard deviation of each channel, from 0 to 1.")


class Record(RecordPart):
    """The result of one trial."""

    schema_version: Literal[4] = Field(4, description="Version of this format.")
    trial: TrialKey = Field(description="Which trial the record is of.")
    status: Status = Field(description="How the trial ended; there is a result where it is `ok`.")
    started: datetime = Field(description="Date and time at which the trial began, in UTC.")
    weights: WeightsRecord = Field(description="Tensors that the trial started from.")
    preprocessing: PreprocessingRecord | None = Field(
        None,
        description="How images became the model's input; null where the trial has no result, and where an earlier "
        "release wrote the record.",
    )
    data: DataRecord | None = Field(None, description="Images of the trial; null where they are not known.")
    learning_rate: float | None = Field(
        None,
        description="Learning rate of the model that was tested, the chosen one where several were tried; null where "
        "the strategy has no steps, and where the trial has no result.",
    )
    tuning: list[CandidateRecord] = Field(
        default_factory=list,
        description="Learning rates that `--tune` tried; empty where none were, and where the trial has no result.",
    )
    numerics: list[NumericsCandidate] = Field(
        default_factory=list,
        description="Number formats and memory formats that `--precision auto` tried; empty where none were, and where "
        "the trial has no result.",
    )
    metrics: Metrics | None = Field(
        None,
        description="What the predictions of the trained model are worth; null where the trial has no result.",
    )
    corruptions: CorruptionsRecord | None = Field(
        None,
        description="Primary metric of test under corruptions; null without `--corruptions`, and where the trial has no "
        "result.",
    )
    history: list[EpochRecord] = Field(
        default_factory=list,
        description="Epochs of the model that was tested; empty where no phase trains by steps, and where the trial "
        "has no result.",
    )
    distance: DistanceRecord | None = Field(
        None,
        description="How far training moved the body from its source; null where the trial has no result.",
    )
    notes: dict[str, str | float | None] = Field(
        default_factory=dict,
        description="What the strategy says of its model, why a plugin's metric raised, and why a model was not saved, "
        "by name; null for a number that is not finite.",
    )
    curves: dict[str, CurveRecord] = Field(
        default_factory=dict,
        description="What the strategy logged as it trained, by name; empty where it logged nothing, and where the trial "
        "has no result.",
    )
    cost: Cost | None = Field(None, description="What the trial cost; null where the trial has no result.")
    retention: RetentionRecord | None = Field(
        None, description="What is left of the source task; null without `--retention`, and without a result."
    )
    source: SourceRecord | None = Field(
        None,
        description="The source model that the trial went on from, and its cost, which `cost` does not include; null "
        "where the weights were all that the backbone learned before.",
    )
    environment: dict[str, Any] | None = Field(
        None,
        description="Machine and software as the trial found them, by name: processor, accelerator, versions of "
        "packages, threads, load; a value is null where it can't be known, the whole where none of them is.",
    )
    provenance: dict[str, Provenance] = Field(
        default_factory=dict,
        description="Where the components come from: `backbone`, `dataset`, `strategy`, `task`, `source` for a source "
        "dataset, and `dataset NAME` for each other dataset that the strategy trains on, or the model is tested on.",
    )
    predictions: str | None = Field(
        None,
        description="Name of the file beside the record with the predictions of test; null where the trial has no "
        "result.",
    )
    error: ErrorRecord | None = Field(None, description="Why the trial has no result; null where the status is `ok`.")
