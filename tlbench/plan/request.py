"""What a person asks for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationError, field_validator, model_serializer, model_validator

from tlbench.contracts.optimizers import OptimizerName
from tlbench.contracts.strategy import BatchNormPolicy
from tlbench.errors import UserError
from tlbench.plan.choices import CHANCES, Augmentation, Budget, Chance, CompilePolicy, FeaturesPolicy, Frozen, Schedule
from tlbench.words import legible


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
