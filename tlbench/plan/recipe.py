"""How a model is trained: the options of a run that are the same for all cells, and stand in every record."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from tlbench.contracts.strategy import BatchNormPolicy
from tlbench.plan.choices import (
    AUGMENTATIONS,
    CHANCES,
    SCHEDULES,
    Budget,
    Chance,
    CompilePolicy,
    Frozen,
)
from tlbench.plan.normalisation import checked_normalisation
from tlbench.plan.option import option


class Recipe(Frozen):
    """How a model is trained. Each field is an option of a run, a field of its protocol, and a part of a trial's id."""

    budget: Budget = option(
        "epochs",
        "What --epochs counts: epochs of each training that a strategy makes, or passes: of all its trainings "
        "together, so that all strategies spend the same.",
        said="the epochs of all trainings of a strategy together",
    )
    batch_size: int = option(32, "Images in a training step.", said="", ge=1)
    optimizer: str = option(
        "adamw",
        "adamw, sgd (Nesterov's momentum, 0.9), or a plugin's.",
        metavar="NAME",
        said="{optimizer} (weight decay {weight_decay})",
        always=True,
    )
    schedule: str = option(
        "cosine",
        "The rate after warm-up: cosine (falls to 0), constant, or a plugin's.",
        metavar="NAME",
        said="{schedule} schedule (warm-up {warmup})",
        always=True,
    )
    warmup: float = option(0.1, "The share of a phase's steps in which the rate rises.", said="", ge=0, lt=1)
    weight_decay: float = option(
        0.01, "Of kernels and matrices, not of biases and norms.", said="", ge=0, allow_inf_nan=False
    )
    gradient_clip: float = option(
        1.0,
        "The largest norm of a step's gradient; 0 for any.",
        said="gradients clipped at norm {gradient_clip}",
        always=True,
        ge=0,
        allow_inf_nan=False,
    )
    normalisation: str = option(
        "weights",
        "What images are normalised by: the statistics that the weights were trained with, the dataset's own, or given "
        "ones: MEAN/STD, of each channel as 0.48,0.46,0.41/0.23,0.22,0.23.",
        metavar="weights|dataset|MEAN/STD",
    )
    label_smoothing: float = option(0.0, "The share of a label spread over all classes.", ge=0, lt=1)
    mixup: float = option(0.0, "Mix pairs of images and labels; alpha, 0 for none.", ge=0, allow_inf_nan=False)
    cutmix: float = option(
        0.0, "Paste a part of one image into another; alpha, 0 for none.", said="CutMix {cutmix}", ge=0,
        allow_inf_nan=False,
    )  # fmt: skip
    class_weights: bool = option(
        False,
        "Let all classes count alike in the loss, however many images each.",
        said="all classes weighted alike",
    )
    ema: float = option(
        0.0,
        "Test a moving average of the weights; its decay, 0 for none.",
        said="weights averaged (decay {ema})",
        ge=0,
        lt=1,
    )
    batchnorm: BatchNormPolicy = option(
        "auto",
        "BatchNorm statistics of what is trained: train (they move), frozen, or auto: frozen where steps or batches "
        "are too few for new ones.",
        said="BatchNorm statistics: {batchnorm}",
    )
    augment: tuple[str, ...] = option(
        (),
        "Random changes of training images: trivial, rand, crop, pad, flip, colour, erase (extra: augment), or a "
        "plugin's.",
        metavar="NAMES",
        shown="none",
        said="{augment} augmentation",
        otherwise="no augmentation",
    )
    select: Literal["last", "best"] = option(
        "last", "Which epoch's model is tested: the last, or the best on val.", said="best epoch on val"
    )
    patience: int | None = option(
        None,
        "Stop when val has not improved for so many epochs; means --select best.",
        unit="epochs",
        shown="no",
        ge=1,
    )
    compile: CompilePolicy = option("off", "torch.compile: off, on, or auto: where the steps ahead repay it.")
    deterministic: bool = option(
        False, "Bit-identical training on the same machine; may be slower.", said="deterministic"
    )
    vary: tuple[Chance, ...] = option(
        CHANCES,
        "What the seed decides; leave some out to hold them as with seed 0.",
        metavar="NAMES",
        said="seeds vary {vary} alone",
        otherwise="seeds vary nothing",
    )

    @field_validator("augment", "vary", mode="before")
    @classmethod
    def _parted_at_commas(cls, value: object) -> object:
        return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value

    @field_validator("augment")
    @classmethod
    def _as_applied(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        own = [each for each in AUGMENTATIONS if each in value]
        return tuple(dict.fromkeys([*own, *value]))

    @field_validator("vary")
    @classmethod
    def _in_order(cls, value: tuple[Chance, ...]) -> tuple[Chance, ...]:
        return tuple(each for each in CHANCES if each in value)

    @field_validator("normalisation")
    @classmethod
    def _statistics(cls, value: str) -> str:
        return checked_normalisation(value)

    @property
    def plain_steps(self) -> bool:
        """Whether steps are AdamW's on images and labels as they are, by a schedule of tlbench's, and none averaged."""
        own = self.optimizer == "adamw" and self.schedule in SCHEDULES
        return own and not (self.mixup or self.cutmix or self.ema or self.class_weights)
