"""What is compared: a cell under a protocol, and its trials, each with the id of all that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from tlbench.contracts.optimizers import OptimizerName
from tlbench.contracts.strategy import BatchNormPolicy
from tlbench.plan.choices import (
    CHANCES,
    Augmentation,
    Budget,
    Chance,
    CompilePolicy,
    Frozen,
    MemoryFormat,
    Precision,
    Schedule,
)


class Numerics(Frozen):
    """The number format of a model's products, and the order of its images in memory."""

    precision: Precision
    memory_format: MemoryFormat


class Protocol(Frozen):
    """What is equal for all cells of a dataset.

    With the budget `epochs`, each training that a strategy makes has so many; with `passes`, all its trainings have so
    many together.
    The rate rises over `warmup_share` of each phase's steps, then falls along the schedule; gradients are scaled down
    to a norm of `gradient_clip`. `mixup` and `cutmix` are the alphas of the shares that images are mixed by, `ema` is
    the decay of averaged weights; `class_weights` makes all classes count alike. `batchnorm` says whether statistics of
    what is trained move; `auto` decides for each phase. `vary` names what the seed decides;
    the rest is as with seed 0. `asked_batch_size` is what was asked for where `--find-batch-size` found that less fits.
    With `auto_precision`, what is equal is that each model has the fastest precision and memory format that were
    measured for it; with an `asked_memory_format`, only that one was.
    """

    epochs: int
    budget: Budget = "epochs"
    batch_size: int
    image_size: int
    train_size: int | None
    test_size: int | None
    precision: Precision
    auto_precision: bool = False
    compile: CompilePolicy = "off"
    optimizer: OptimizerName = "adamw"
    weight_decay: float = 0.01
    schedule: Schedule = "cosine"
    warmup_share: float = 0.1
    gradient_clip: float | None = 1.0
    label_smoothing: float = 0.0
    mixup: float | None = None
    cutmix: float | None = None
    ema: float | None = None
    class_weights: bool = False
    batchnorm: BatchNormPolicy = "auto"
    deterministic: bool = False
    vary: tuple[Chance, ...] = CHANCES
    select: Literal["last", "best"] = "last"
    patience: int | None = None
    asked_batch_size: int | None = None
    augmentation: tuple[Augmentation, ...] = ()
    memory_format: MemoryFormat = "channels_last"
    asked_memory_format: MemoryFormat | None = None

    @property
    def plain_steps(self) -> bool:
        """Whether steps are AdamW's on images and labels as they are, and nothing is averaged."""
        return self.optimizer == "adamw" and not (self.mixup or self.cutmix or self.ema or self.class_weights)


class WeightsPlan(Frozen):
    """Which tensors a cell starts from, and why it is not the published ones where it isn't.

    `reason`: `strategy` (from scratch on purpose), `requested` (--weights random), `none-published`,
    `unavailable` (they are not available here; `detail` says why).
    """

    kind: Literal["pretrained", "random", "file"]
    name: str | None = None
    url: str | None = None
    licence: str | None = None
    reason: Literal["strategy", "requested", "none-published", "unavailable"] | None = None
    detail: str | None = None


SINGLE_LABEL = "tasks/single-label"
ResolvedOptions = dict[str, JsonValue]
"""The values of all options of a component, defaults among them."""


class OtherBackbone(Frozen):
    """A backbone that a strategy builds besides the cell's own, a teacher say, and what it starts from."""

    backbone: str
    weights: WeightsPlan
    options: ResolvedOptions = Field(default_factory=dict)


class Cell(Frozen):
    """What is compared: a backbone on a dataset by a strategy, on a device, under a protocol.

    `learning_rate` is None where it is chosen on val among `tuned_rates`, and where the strategy has no steps. The
    names have the options that were given; `options` has all, by component ("backbone", "dataset", "strategy",
    "task"), so that a default that a release changes makes another cell. `task` is the dataset's.
    """

    backbone: str
    source: Literal["published", "file", "none"]
    dataset: str
    strategy: str
    device: str
    protocol: Protocol
    learning_rate: float | None
    tuned_rates: tuple[float, ...] = ()
    weights: WeightsPlan
    others: tuple[OtherBackbone, ...] = ()
    dataset_digest: str
    task: str = SINGLE_LABEL
    options: dict[str, ResolvedOptions] = Field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """16 hex digits of all that decides the results of the cell's trials."""
        undecisive = {"weights": {"detail"}, "protocol": {"asked_batch_size", "asked_memory_format"}}
        decisive = self.model_dump(mode="json", exclude=undecisive)
        if self.task == SINGLE_LABEL:  # the one task there was when the first ids were made
            del decisive["task"]
        if not self.options:  # records of releases that did not keep them
            del decisive["options"]
            for other in decisive["others"]:
                del other["options"]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, which has an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("id", None)
        return copied


class Trial(Frozen):
    """A cell and a seed."""

    cell: Cell
    seed: int

    @property
    def id(self) -> str:
        """The cell's id and the seed."""
        return trial_id(self.cell.id, self.seed)


def trial_id(cell_id: str, seed: int) -> str:
    """The id of a cell's trial with a seed."""
    return f"{cell_id}-{seed}"
