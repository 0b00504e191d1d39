"""What a person asks for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from tlbench.errors import UserError
from tlbench.plan.choices import FeaturesPolicy, Frozen
from tlbench.plan.option import Names, option
from tlbench.plan.plugged import Plugged
from tlbench.plan.recipe import Recipe
from tlbench.plan.robustness import Robustness
from tlbench.words import legible


class OwnRate(Frozen):
    """A learning rate to choose from, as a multiple of each strategy's own; written `3x`."""

    times: float = Field(gt=0, allow_inf_nan=False)


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


def _written(value: OwnRate | float) -> str | float:
    return f"{value.times:g}x" if isinstance(value, OwnRate) else value


TunedRate = Annotated[OwnRate | float, PlainValidator(_tuned_rate), PlainSerializer(_written)]


COMPARED = ("backbones", "strategies", "datasets")
"""Options that take names of what is compared, at least one each."""
NAMED = (*COMPARED, "sources", "reporters", "test_on")
"""Options that take names of components, with commas or one by one."""
REPEATED = ("plugin", "no_plugin", "plugins_from")
"""Options that take a name each, and may be repeated."""


class Compared(Frozen):
    """What is compared, on how much data, at which rates."""

    backbones: Names = option(("packaged/efficientnet_lite0",), "Backbones", metavar="NAMES")
    strategies: Names = option(("freeze", "full"), "Strategies", metavar="NAMES")
    datasets: Names = option(("packaged/digits",), "Datasets", metavar="NAMES")
    seeds: int = option(1, "How many seeds each cell runs with.", ge=1)
    epochs: int | None = option(None, "Epochs.", shown="5 on CPU, 10 on GPU", ge=1)
    image_size: int | None = option(
        None, "Pixels of an image's side.", unit="pixels", shown="follows weights and dataset", ge=1, le=4096
    )
    train_size: Annotated[int, Field(ge=2)] | Literal["all"] | None = option(
        None,
        "At most so many training images.",
        unit="images",
        metavar="N|all",
        shown="2000 on CPU, all on GPU",
    )
    test_size: Annotated[int, Field(ge=1)] | Literal["all"] | None = option(
        None, "At most so many test images.", unit="images", metavar="N|all", shown="1000 on CPU, all on GPU"
    )
    drop_duplicates: bool = option(False, "Leave training images out that val or test has, too, or nearly.")
    skip_unreadable: bool = option(False, "Go on without the images that can't be decoded.")
    lr: float | None = option(
        None, "One learning rate for all.", shown="each strategy's own", gt=0, allow_inf_nan=False
    )
    tune: tuple[TunedRate, ...] = option(
        (),
        "Learning rates for every strategy to choose from, on val; 3x is three times its own default.",
        metavar="lr=A,B,…",
        shown="none",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "fp32", "fp32, bf16 or fp16 (autocast), or auto: the fastest for each model, by a short measurement."
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = option(
        "auto",
        "The order of images in memory: contiguous, channels_last, or auto (channels_last; with --precision auto, the "
        "faster for each model).",
    )

    @field_validator("tune", mode="before")
    @classmethod
    def _rates_of_text(cls, value: object) -> object:
        """The rates of `lr=A,B,…`."""
        if not isinstance(value, str):
            return value
        name, equals, values = value.partition("=")
        if name.strip() != "lr" or not equals:
            raise ValueError(
                "it is not of the form lr=1e-4,3e-4,1e-3 or lr=0.3x,1x,3x (only the learning rate can be tuned)"
            )
        return tuple(each.strip() for each in values.split(",") if each.strip())

    @field_validator("tune")
    @classmethod
    def _a_choice(cls, value: tuple[TunedRate, ...]) -> tuple[TunedRate, ...]:
        if len(set(value)) == 1:
            raise ValueError("there is nothing to choose between; name two learning rates or more, or give --lr")
        return tuple(dict.fromkeys(value))

    @field_validator(*COMPARED)
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one")
        return value


PRETRAINED = "pretrained"
"""The source that is the backbone's own: what `--weights` says."""


class TwoStage(Frozen):
    """What backbones learn before the target, and how."""

    sources: Names = option(
        (PRETRAINED,),
        "What backbones have learned before: pretrained (as --weights says), a dataset to train them on first, or "
        "saved:FOLDER, a model that a run has saved.",
        metavar="NAMES",
    )
    source_strategy: str = option("full", "The strategy that trains backbones on a source dataset.")
    source_epochs: int | None = option(None, "Epochs on a source dataset.", shown="as --epochs", ge=1)

    retention: bool = option(
        False,
        "Measure each trained model on its source again: through the source's own head, and by a fresh linear probe.",
    )

    source_data: str | None = option(
        None,
        "Images that published weights were trained on, for --retention: folder:PATH with folders named by WordNet "
        "identifiers or classes.",
        metavar="NAME",
    )

    @field_validator("sources")
    @classmethod
    def _some_source(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one; pretrained is the backbone's own")
        return value


class Execution(Frozen):
    """Where a run takes place, and what is kept of it."""

    find_batch_size: bool = option(False, "Halve --batch-size until a step of every cell fits into memory.")
    features: FeaturesPolicy = option(
        "cache", "Features of a frozen part: cache (computed once) or compute (in every step)."
    )
    detail: bool = option(False, "Time the parts of each step: data, forward, backward, optimizer.")
    weights: str = option(
        "auto",
        "auto: pretrained where they are available, else random and marked so; pretrained: or else stop; random; or a "
        "FILE of tensors; for single backbones NAME=FILE,NAME=random.",
    )
    save: Literal["none", "best", "all"] = option(
        "none", "Keep trained models: none, those of the best cell of each dataset (by its metric on val), or all."
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps.", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    jobs: Annotated[int, Field(ge=1)] | Literal["auto"] = option(
        1,
        "Trials at once; more than one disturbs the timings, which are marked. auto: a one-thread trial on every core, "
        "where that is measured to get more done; on several GPUs (cuda), one on each.",
        metavar="N|auto",
    )
    executor: str = option("local", "Who runs the trials: local (processes of this machine), or a plugin's executor.")
    reporters: Names = option(
        (),
        "Who is told of the run as it goes on: csv, jsonl, tensorboard, mlflow, wandb, or a plugin's reporter.",
        metavar="NAMES",
        shown="none",
    )
    timeout: float | None = option(
        None,
        "Seconds that a trial may take.",
        unit="seconds",
        shown="none",
        gt=0,
        validation_alias=AliasChoices("timeout", "timeout_seconds"),  # as plans of earlier releases have it
    )
    data_root: Path | None = option(None, "Where downloaded datasets lie. Also: $TLBENCH_DATA_ROOT.")


class Request(Plugged, Execution, TwoStage, Robustness, Recipe, Compared):
    """What a person asks for; what is None follows from the machine and the dataset.

    Each field is an option of `tlbench run`, a key of its configuration and a keyword of `tlbench.run`.
    """

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
        option = str(first["loc"][0]).replace("_", "-")
        given = first["input"]
        shown = ",".join(str(each) for each in given) if isinstance(given, tuple | list) else given
        raise UserError(f"--{option} {_quoted(shown)}: {reason}") from None


def _quoted(value: object) -> str:
    """A value in quotes, but for a number."""
    try:
        float(str(value))
    except ValueError:
        return repr(value)
    return str(value)
