"""From a request to the cross product of trials, each with the id that decides whether two are the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from tlbench.contracts import BatchNormPolicy
from tlbench.errors import UserError
from tlbench.provenance import Provenance
from tlbench.words import counted, legible

Precision = Literal["fp32", "bf16", "fp16"]
MemoryFormat = Literal["contiguous", "channels_last"]
MEMORY_FORMATS: tuple[MemoryFormat, ...] = ("contiguous", "channels_last")
CompilePolicy = Literal["off", "on", "auto"]
Budget = Literal["epochs", "passes"]
FeaturesPolicy = Literal["cache", "compute"]
OptimizerName = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]
Augmentation = Literal["trivial", "rand", "crop", "pad", "flip", "colour", "erase"]
AUGMENTATIONS: tuple[Augmentation, ...] = ("trivial", "rand", "crop", "pad", "flip", "colour", "erase")
"""In the order in which they are applied."""
Chance = Literal["initialisation", "order", "augmentation"]
"""What a seed decides: the new tensors, the order of the images, and what is random in the steps themselves."""
CHANCES: tuple[Chance, ...] = ("initialisation", "order", "augmentation")


class Frozen(BaseModel):
    """The base of what a plan is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OwnRate(Frozen):
    """A learning rate to choose from, as a multiple of each strategy's own; written `3x`."""

    times: float = Field(gt=0, allow_inf_nan=False)

    @model_serializer
    def written(self) -> str:
        return f"{self.times:g}x"


def _tuned_rate(value: object) -> OwnRate | float:
    """`3x` as a multiple of the strategy's own rate, all else as a rate."""
    if isinstance(value, OwnRate):
        return value
    multiple = isinstance(value, str) and value.endswith("x")
    try:
        number = float(str(value).removesuffix("x"))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{value} is neither a positive learning rate nor a multiple of the strategy's own, as 3x is")
    return OwnRate(times=number) if multiple else number


TunedRate = Annotated[OwnRate | float, PlainValidator(_tuned_rate)]


class Request(Frozen):
    """What a person asks for; what is None follows from the machine and the dataset."""

    backbones: tuple[str, ...] = ("packaged/efficientnet_lite0",)
    datasets: tuple[str, ...] = ("packaged/digits",)
    strategies: tuple[str, ...] = ("freeze", "full")
    seeds: int = Field(1, ge=1)
    epochs: int | None = Field(None, ge=1)
    budget: Budget = "epochs"
    batch_size: int = Field(32, ge=1)
    image_size: int | None = Field(None, ge=1, le=4096)
    train_size: Annotated[int, Field(ge=2)] | Literal["all"] | None = None
    test_size: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    drop_duplicates: bool = False
    skip_unreadable: bool = False
    lr: float | None = Field(None, gt=0, allow_inf_nan=False)
    tune: tuple[TunedRate, ...] = ()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    compile: CompilePolicy = "off"
    augment: tuple[Augmentation, ...] = ()
    optimizer: OptimizerName = "adamw"
    schedule: Schedule = "cosine"
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    warmup: float = Field(0.1, ge=0, lt=1)
    gradient_clip: float = Field(1.0, ge=0, allow_inf_nan=False)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0, allow_inf_nan=False)
    cutmix: float = Field(0.0, ge=0, allow_inf_nan=False)
    ema: float = Field(0.0, ge=0, lt=1)
    class_weights: bool = False
    batchnorm: BatchNormPolicy = "auto"
    deterministic: bool = False
    vary: tuple[Chance, ...] = CHANCES
    select: Literal["last", "best"] = "last"
    patience: int | None = Field(None, ge=1)
    find_batch_size: bool = False
    detail: bool = False
    features: FeaturesPolicy = "cache"
    weights: str = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    jobs: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    timeout_seconds: float | None = Field(None, gt=0)
    data_root: Path | None = None
    block: tuple[str, ...] = ()

    @field_validator("tune")
    @classmethod
    def _a_choice(cls, value: tuple[TunedRate, ...]) -> tuple[TunedRate, ...]:
        if len(set(value)) == 1:
            raise ValueError("there is nothing to choose between; name two learning rates or more, or give --lr")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _one_way_to_a_rate(self) -> Request:
        if self.tune and self.lr is not None:
            raise ValueError("give --lr or --tune, not both")
        return self

    @model_validator(mode="after")
    def _nothing_left_to_the_clock(self) -> Request:
        if self.deterministic and self.compile == "auto":
            raise ValueError("--compile auto decides by the clock; with --deterministic, give --compile on or off")
        return self

    @model_validator(mode="after")
    def _averages_are_tested(self) -> Request:
        if self.ema and (self.select == "best" or self.patience):
            raise ValueError("--ema tests the averaged weights of the last step; it can't go with --select best")
        return self

    @field_validator("backbones", "datasets", "strategies")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not [each for each in value if each.strip()]:
            raise ValueError("name at least one")
        return tuple(dict.fromkeys(each.strip() for each in value if each.strip()))


def make_request(**values: object) -> Request:
    """A request of options by name, None meaning the default; raises UserError on the first bad one."""
    for given in values.values():
        for each in given if isinstance(given, tuple) else (given,):
            if isinstance(each, str) and legible(each) != each:
                raise UserError(
                    f"{each} is not UTF-8, and can't stand in a record; rename it, or link to it by another name"
                )
    try:
        return Request.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first, *others = error.errors()
        same = [
            first,
            *(each for each in others if (each["loc"][:1], each["input"]) == (first["loc"][:1], first["input"])),
        ]
        reason = "; or: ".join(dict.fromkeys(each["msg"].removeprefix("Value error, ") for each in same))
        if not first["loc"]:
            raise UserError(reason) from None
        option = str(first["loc"][0]).replace("_seconds", "").replace("_", "-")
        given = first["input"]
        shown = ",".join(str(each) for each in given) if isinstance(given, tuple | list) else given
        raise UserError(f"--{option} {shown!r}: {reason}") from None


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


ResolvedOptions = dict[str, JsonValue]
"""The values of all options of a component, defaults among them."""


class OtherBackbone(Frozen):
    """A backbone that a strategy builds besides the cell's own, a teacher say, and what it starts from."""

    backbone: str
    weights: WeightsPlan
    options: ResolvedOptions = {}


class Cell(Frozen):
    """What is compared: a backbone on a dataset by a strategy, on a device, under a protocol.

    `learning_rate` is None where it is chosen on val among `tuned_rates`, and where the strategy has no steps. The
    names have the options that were given; `options` has all, by component ("backbone", "dataset", "strategy"), so
    that a default that a release changes makes another cell.
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
    options: dict[str, ResolvedOptions] = {}

    @cached_property
    def id(self) -> str:
        """16 hex digits of all that decides the results of the cell's trials."""
        undecisive = {"weights": {"detail"}, "protocol": {"asked_batch_size", "asked_memory_format"}}
        decisive = self.model_dump(mode="json", exclude=undecisive)
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


class Plan(Frozen):
    """All that a run will do. `left_out` says which strategies can't adapt which backbones, and why."""

    schema_version: Literal[2] = 2
    name: str
    created: datetime
    request: Request
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...] = ()
    provenance: dict[str, Provenance]

    def trials(self) -> Iterator[Trial]:
        """Seed 0 of every cell, then seed 1, …: a run stopped early is already a table."""
        for seed, cell in product(range(self.request.seeds), self.cells):
            yield Trial(cell=cell, seed=seed)

    def trial_ids(self) -> list[str]:
        """The ids of all trials, in their order; each cell's digest is made once."""
        cells = [cell.id for cell in self.cells]
        return [trial_id(cell, seed) for seed in range(self.request.seeds) for cell in cells]

    def other_versions(self, other: Plan) -> str | None:
        """Say which plugins have other versions in another plan; None where none has."""
        mine, theirs = (
            {each.plugin: f"{each.distribution} {each.version}" for each in plan.provenance.values()}
            for plan in (self, other)
        )
        differ = [name for name in sorted(mine.keys() & theirs.keys()) if mine[name] != theirs[name]]
        return ", ".join(f"plugin {name}: {theirs[name]} there, {mine[name]} here" for name in differ) or None

    def difference(self, other: Plan) -> str | None:
        """Say in what this plan differs from another one as to results; None where it doesn't."""
        if self.trial_ids() == other.trial_ids():
            return None
        for ours, theirs in zip(self.cells, other.cells, strict=False):
            mine, yours = _flat(ours.model_dump(mode="json")), _flat(theirs.model_dump(mode="json"))
            for key in mine:
                if mine[key] != yours.get(key):
                    return f"{key} {yours.get(key)} there, {mine[key]} here"
        return (
            f"{counted(len(other.cells), 'cell')} with {counted(other.request.seeds, 'seed')} there, "
            f"{len(self.cells)} with {self.request.seeds} here"
        )


def _flat(document: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
