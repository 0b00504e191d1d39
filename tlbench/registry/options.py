"""Options as they are written behind a component's name."""

from __future__ import annotations

import re
import types
import typing
from enum import Enum

from pydantic import ValidationError

from tlbench.contracts.options import Options
from tlbench.errors import UserError, nearest

NOTHING = "none"
SEVERAL = (tuple, list, set, frozenset)
LIST_SEPARATOR = "+"
"""Between the values of an option that takes several: commas separate components."""


def _segments(parts: list[str]) -> list[str]:
    """Join what a colon inside a value has split: only `name=value` begins a new option after the first."""
    segments: list[str] = []
    for part in parts:
        if segments and not re.match(r"[A-Za-z_]\w*=", part):
            segments[-1] += f":{part}"
        else:
            segments.append(part)
    return segments


def parse_options(of: str, options: type[Options], parts: list[str]) -> Options:
    """The options of a component (`strategy builtin/lora`) from what stands behind its name; raises UserError."""
    given: dict[str, str | list[str] | None] = {}
    fields = options.model_fields
    for place, segment in enumerate(_segments(parts)):
        name, equals, value = segment.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            if name not in fields:
                raise UserError(
                    f"{of} has no option {name!r}{nearest(name, fields)} (it has: {', '.join(fields) or 'none'})"
                )
            if name in given:
                raise UserError(f"option {name} of {of} is given twice")
            given[name] = _value(value, fields[name].annotation)
        else:
            required = next((field for field in fields if fields[field].is_required()), None)
            if place or required is None:
                raise UserError(f"{of}: {segment!r} is not of the form option=value")
            given[required] = segment
    try:
        return options.model_validate(given)
    except ValidationError as error:
        raise UserError(_explain(of, options, error)) from None


def _value(text: str, annotation: object) -> str | list[str] | None:
    """What an option is given: several values where it takes several, and nothing for `none` where it may be that."""
    union = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union
    members = typing.get_args(annotation) if union else (annotation,)
    if type(None) in members and text.lower() == NOTHING:
        return None
    several = any(typing.get_origin(each) in SEVERAL or each in SEVERAL for each in members)
    return (text.split(LIST_SEPARATOR) if text else []) if several else text


def _explain(of: str, options: type[Options], error: ValidationError) -> str:
    first = error.errors()[0]
    where = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"{of} needs its option {where}: {of.rpartition('/')[2]}:{where.upper()}"
    if not where:
        return f"{of}: {first['msg'].removeprefix('Value error, ')}"
    wanted = option_type(options, where)
    return (
        f"option {where} of {of} is {wanted} and can't be {first['input']!r}: "
        f"{first['msg'].removeprefix('Value error, ')}"
    )


def option_type(options: type[Options], name: str) -> str:
    """The declared type of an option, as a person reads it."""
    annotation = options.model_fields[name].annotation
    text = getattr(annotation, "__name__", None) if isinstance(annotation, type) else str(annotation)
    return str(text).replace(" | None", "").replace("typing.", "").replace("pathlib.", "")


def written(value: object) -> str:
    """A value as it is written in a name, from which it is read again."""
    if value is None:
        return NOTHING
    if isinstance(value, Enum):
        return written(value.value)
    if isinstance(value, SEVERAL):
        return LIST_SEPARATOR.join(written(each) for each in value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
