"""The base of a record's parts: what is not a finite number is null."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator


class RecordPart(BaseModel):
    """The base of a record's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, values: object, info: ValidationInfo) -> object:
        if type(values) is not dict or info.mode == "json":  # JSON has no such numbers: the store sees to those it finds
            return values
        models = _of_models(cls)
        return {name: value if name in models else finite(value) for name, value in values.items()}


@cache
def _of_models(part: type[BaseModel]) -> frozenset[str]:
    """The fields that hold models, which see to their own figures: looked through at each level, it takes seconds."""
    return frozenset(name for name, field in part.model_fields.items() if _holds_model(field.annotation))


def _holds_model(annotation: object) -> bool:
    of_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return of_model or any(map(_holds_model, get_args(annotation)))


def finite(value: Any) -> Any:
    """A value whose figures that are infinite or not a number are null: JSON has no such numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if type(value) is dict:
        return {key: finite(each) for key, each in value.items()}
    return type(value)(map(finite, value)) if type(value) in (list, tuple) else value
