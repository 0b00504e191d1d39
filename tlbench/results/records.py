"""The schema of a trial's record. What was not measured is null, never 0."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import field_validator

from tlbench.plan.cell import Cell
from tlbench.plan.choices import MemoryFormat, Precision
from tlbench.registry.provenance import Provenance
from tlbench.results.part import Part
from tlbench.words import bounded

SCHEMA_VERSION = 3
EXAMPLE_SCORES = "example_scores"
"""The tensor of a predictions file with each example's share in the primary metric."""

Status = Literal["ok", "failed", "out-of-memory", "timeout", "diverged", "crashed", "killed", "interrupted"]

UNFINISHED: tuple[Status, ...] = ("killed", "interrupted")
"""Statuses that say nothing of the cell: resuming a run tries these trials again."""


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
    """What the trained model's predictions are worth: the task's metrics, and those of plugins, by name.

    `primary` names the one that models are chosen and compared by. `test` and `val` have all metrics of a split (where
    a model was judged by val alone, the primary one), `by_target` some of test for each class or target, null where it
    does not occur. `chance` is the primary metric of the best prediction that knows nothing of an image, on test, and
    `at_chance` says that the model is no better by its task's rule. `train_loss` is the mean loss of the last epoch,
    penalties included.
    """

    primary: str
    test: dict[str, float | None]
    val: dict[str, float | None] = {}
    by_target: dict[str, list[float | None]] = {}
    chance: float | None = None
    at_chance: bool = False
    train_loss: float | None = None

    @property
    def value(self) -> float | None:
        """The primary metric of test."""
        return self.test.get(self.primary)


class EpochRecord(Part):
    """An epoch: of which phase (from 0), which one there (from 1), its mean loss.

    `val` is the primary metric of val, where it was looked at.
    """

    phase: int
    epoch: int
    train_loss: float
    val: float | None = None
    kept: bool = True


class DataRecord(Part):
    """The images of the trial, and the seconds that decoding them took when it was done (the cache keeps them).

    `names` are those of the classes, labels or targets. `available` counts the images of each split that the dataset
    has itself. `duplicates_train_test` are test images
    that train has pixel for pixel, `near_duplicates_train_test` those that look the same to a perceptual hash, with an
    example; `dropped_duplicates` were taken out of train. `unreadable_images` were left out. `levels` are the values
    that became black and white in images of more than 8 bits. `lacking` says which splits lack which classes. With
    `streamed` the images are too many to keep, and were decoded again whenever they were needed.
    """

    names: list[str] = []
    train_images: int
    val_images: int
    test_images: int
    available: dict[str, int] = {}
    duplicates_train_test: int
    near_duplicates_train_test: int = 0
    duplicates_example: tuple[str, str] | None = None
    dropped_duplicates: int = 0
    unreadable_images: int = 0
    levels: tuple[float, float] | None = None
    lacking: list[str] = []
    prepare_seconds: float | None = None
    streamed: bool = False


class StepMs(Part):
    """Milliseconds of a training step on a full batch, after warm-up, and a 95 % interval of the median."""

    median: float
    p05: float
    p95: float
    n: int
    median_low: float | None = None
    median_high: float | None = None


class PartsMs(Part):
    """Mean milliseconds of the parts of a steady step; they sum to the mean step."""

    data: float
    forward: float
    backward: float
    optimizer: float


class MemoryParts(Part):
    """Bytes of what a trial keeps at once, from the tensors; the largest over its phases.

    `activations` is what autograd keeps for one backward pass; `features` is the peak while features of a frozen part
    were computed. `activations_and_temporaries` is CUDA's peak less parameters, buffers, gradients and optimizer state.
    """

    parameters: int
    buffers: int
    gradients: int
    optimizer: int
    activations: int | None
    features: int | None = None
    activations_and_temporaries: int | None = None


class CandidateRecord(Part):
    """A learning rate that was tried: how its model did on val, what it cost, and whether it was chosen.

    `val` is the primary metric of val and `val_loss` its mean loss; both are null where training with it diverged.
    """

    learning_rate: float
    val: float | None
    val_loss: float | None
    seconds: float
    chosen: bool = False


class FeaturesRecord(Part):
    """Whether a phase trained on features of its frozen prefix, computed once, and if not, why not.

    `computed_seconds` is what computing them took when it was done; where they were there already (`reused`),
    `shared_seconds` is what that saved the trial, if another one had computed them. `peak_memory_bytes` is the
    peak of the trial that computed them, while it did. `cut_at` is the place in the model.
    """

    used: bool
    reason: str | None = None
    cut_at: str | None = None
    bytes: int | None = None
    computed_seconds: float | None = None
    shared_seconds: float | None = None
    reused: bool | None = None
    peak_memory_bytes: int | None = None


class SolveRecord(Part):
    """One `Solve` phase: seconds of fitting alone, the training images that the seed drew, and what was tried on val.

    `chosen` has the options that were chosen, `candidates` each with its primary metric of val.
    """

    phase: int
    seconds: float
    images: int
    features: FeaturesRecord
    chosen: dict[str, float] = {}
    candidates: list[dict[str, float]] = []


class BlockDistance(Part):
    """How far a block's parameters went from where they started: L2, and relative to the L2 norm they had there.

    `relative` is null where that is 0.
    """

    name: str
    l2: float | None
    relative: float | None


class DistanceRecord(Part):
    """The way of the body's parameters from the source model's to the trained model's: L2 in all, and by block.

    Tensors outside of any block are in one named "other". Heads are new, and not counted.
    """

    l2: float | None
    relative: float | None
    blocks: list[BlockDistance] = []


class NumericsCandidate(Part):
    """A number format and memory layout that was tried: the median milliseconds of a training step, the first one's
    loss, and whether that is as near to fp32's as it must be. `loss` is null where it was not a finite number.
    """

    precision: Precision
    memory_format: MemoryFormat
    step_ms: float
    loss: float | None
    exact_enough: bool


class CompileRecord(Part):
    """Whether a phase's steps ran compiled by torch.compile, and if not, why not.

    `seconds` is what compiling took here, `cold_seconds` what it took when nothing of it was kept; the two steps are
    forward and backward pass, each timed on a full batch.
    """

    used: bool
    reason: str | None = None
    seconds: float | None = None
    cold_seconds: float | None = None
    eager_step_ms: float | None = None
    compiled_step_ms: float | None = None


class BatchNormRecord(Part):
    """Whether the BatchNorm statistics of what a phase trains moved, and why: `moving` of its `layers` did."""

    statistics: Literal["train", "frozen"]
    moving: int
    layers: int
    reason: str


class PhaseCost(Part):
    """One `Train` phase, with one of the rates where several were tried: its steps, and the FLOPs of one of them.

    `images` counts those of all its steps; `images_per_second` is of its steady steps alone. FLOPs are those that are
    really computed: none for frozen parts' gradients, none for features that are read.
    """

    phase: int
    learning_rate: float | None = None
    steps: int
    images: int
    warmup_steps: int
    warmup_seconds: float
    step_ms: StepMs | None
    parts_ms: PartsMs | None
    images_per_second: float | None
    trainable_parameters: int
    forward_flops_per_image: float | None
    train_flops_per_image: float | None
    features: FeaturesRecord | None = None
    compile: CompileRecord | None = None
    batchnorm: BatchNormRecord | None = None


class InferenceRecord(Part):
    """How fast the finished model predicts in batches of one size: the median batch."""

    batch_size: int
    images_per_second: float
    batch_ms: float


class Cost(Part):
    """What the trial cost. Times are wall time of the trial's process; the stages sum to `paid_seconds`.

    With the basis `attributed`, the trial was trained in one product of `product_heads` linear heads: `paid_seconds` is
    its share of the process, and the stages are what it would have cost alone, estimated from steps of one head by
    itself.

    `features_seconds` is what the features would have cost alone, wherever they came from; `features_paid_seconds`,
    the stage of the trial itself, is less where they were there already. `shared_seconds` is all that results of other
    trials and runs saved this one (features of val and test too): alone, it would have paid so much more.

    `images_per_second` is end to end: the images of all training steps (or of a fit in closed form) over the seconds of
    training, features included, as if alone. `passes` is those images over the images of the protocol's epochs, for
    one learning rate where several were tried: what the strategy spent of the budget. `inference` is of the finished
    model, one entry a batch size. Times of steps are the phases'.

    `peak_memory_bytes` is as if alone, too: of features that were there already it has what computing them took.

    `flops_per_image` is of the forward pass, `train_flops_per_image` of a training step as performed (the mean over
    all steps). `achieved_flops_per_second` is the latter times the images per second of steady steps,
    `peak_flops_per_second` what this machine reaches on matrix products. Energy is of the training stage.
    """

    basis: Literal["measured", "attributed"] = "measured"
    product_heads: int | None = None
    concurrent_trials: int
    paid_seconds: float
    load_seconds: float
    measure_seconds: float | None = None
    features_seconds: float | None = None
    features_paid_seconds: float | None = None
    shared_seconds: float | None = None
    compile_seconds: float | None = None
    train_seconds: float
    validate_seconds: float | None = None
    evaluate_seconds: float
    save_seconds: float | None = None
    warmup_steps: int
    warmup_seconds: float
    images_per_second: float | None
    passes: float | None = None
    inference: list[InferenceRecord] = []
    inference_images_per_second: float | None = None
    inference_images_per_second_one: float | None = None
    phases: list[PhaseCost] = []
    solves: list[SolveRecord] = []
    peak_memory_bytes: int
    peak_reserved_bytes: int | None = None
    memory_basis: Literal["resident-growth", "cuda-allocated"]
    memory: MemoryParts | None = None
    energy_joules: float | None = None
    energy_source: Literal["nvml", "rapl"] | None = None
    energy_reason: str | None = None
    flops_per_image: float | None = None
    train_flops_per_image: float | None = None
    achieved_flops_per_second: float | None = None
    peak_flops_per_second: float | None = None
    peak_share: float | None = None
    trainable_parameters: int
    total_parameters: int

    @property
    def trained(self) -> bool:
        """Whether any phase trained or fitted anything."""
        return bool(self.phases or self.solves)


LONGEST_MESSAGE, LONGEST_TRACE = 4_000, 40_000


class ErrorRecord(Part):
    """Why a trial has no result. Messages are bounded, and what is no text in them is escaped."""

    type: str
    message: str
    phase: int | None = None
    step: int | None = None
    traceback: str | None = None

    @field_validator("type", "message", mode="after")
    @classmethod
    def _message(cls, value: str) -> str:
        return bounded(value, LONGEST_MESSAGE)

    @field_validator("traceback", mode="after")
    @classmethod
    def _trace(cls, value: str | None) -> str | None:
        return None if value is None else bounded(value, LONGEST_TRACE)


class Record(Part):
    """The result of one trial."""

    schema_version: Literal[3] = 3
    trial: TrialKey
    status: Status
    started: datetime
    weights: WeightsRecord
    data: DataRecord | None = None
    learning_rate: float | None = None
    tuning: list[CandidateRecord] = []
    numerics: list[NumericsCandidate] = []
    metrics: Metrics | None = None
    history: list[EpochRecord] = []
    distance: DistanceRecord | None = None
    notes: dict[str, str | float | None] = {}
    cost: Cost | None = None
    environment: dict[str, Any] | None = None
    provenance: dict[str, Provenance] = {}
    predictions: str | None = None
    error: ErrorRecord | None = None
