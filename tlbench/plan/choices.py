"""What can be chosen for a run, by name."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Precision = Literal["fp32", "bf16", "fp16"]
MemoryFormat = Literal["contiguous", "channels_last"]
MEMORY_FORMATS: tuple[MemoryFormat, ...] = ("contiguous", "channels_last")
CompilePolicy = Literal["off", "on", "auto"]
Budget = Literal["epochs", "passes"]
FeaturesPolicy = Literal["cache", "compute"]
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "constant")
AUGMENTATIONS = ("trivial", "rand", "crop", "pad", "flip", "colour", "erase")
"""In the order in which they are applied; those of plugins come after them."""
Chance = Literal["initialisation", "order", "augmentation"]
"""What a seed decides: the new tensors, the order of the images, and what is random in the steps themselves."""
CHANCES: tuple[Chance, ...] = ("initialisation", "order", "augmentation")


class Frozen(BaseModel):
    """The base of what a plan is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")
