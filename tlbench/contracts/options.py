"""What a component's options are made of."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The base of a component's options: typed, documented by `Field(description=…)`, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitOptions(Options):
    """How much of a dataset to use: a number of images, or below 1 a fraction; left out, all of it."""

    train: float | None = Field(None, description="training images: a number, or below 1 a share; none: all")
    val: float | None = Field(None, description="val images: a number, or below 1 a share; none: all")
    test: float | None = Field(None, description="test images: a number, or below 1 a share; none: all")

    def model_post_init(self, _context: Any) -> None:
        for name in ("train", "val", "test"):
            value = getattr(self, name)
            if value is not None and not (0 < value <= 1 or (math.isfinite(value) and value > 1 and value % 1 == 0)):
                raise ValueError(f"{name} must be a number of images or a fraction between 0 and 1, not {value}")
