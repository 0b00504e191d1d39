"""An option of a run, declared once: flag, configuration key, keyword, help, documentation and footer come from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from tlbench.words import split_names


def _parted_names(value: object) -> object:
    return tuple(split_names(value)) if isinstance(value, str) else value


def _distinct_names(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in value if each.strip()))


Names = Annotated[tuple[str, ...], BeforeValidator(_parted_names), AfterValidator(_distinct_names)]
"""Names with commas or one by one, each once."""


def option(
    default: object,
    help: str,
    *,
    unit: str | None = None,
    metavar: str | None = None,
    shown: str | None = None,
    said: str | None = None,
    always: bool = False,
    otherwise: str | None = None,
    **constraints: Any,
) -> Any:
    """A field of a request. `shown` says what None or an empty default stands for; `constraints` are pydantic's.

    What decides results is said under a table. `said` is the text, with the fields of the protocol in braces (left out:
    the name and the value; empty: nothing, as another option has it in its text). It is said where the value is not the
    default, or `always`; `otherwise` is said where the value is 0, false or empty.
    """
    extra: JsonDict = {
        "unit": unit, "metavar": metavar, "shown": shown, "said": said, "always": always, "otherwise": otherwise,
    }  # fmt: skip
    return Field(default, description=help, json_schema_extra=extra, **constraints)


def facts(field: FieldInfo) -> dict[str, Any]:
    """What an option's declaration says besides pydantic's own."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def said(values: BaseModel) -> Iterator[str]:
    """What is to be said of the options among the fields of a model, in the order of their declaration."""
    shown = {name: _text(getattr(values, name)) for name in type(values).model_fields}
    for name, field in type(values).model_fields.items():
        declared = facts(field)
        if "said" not in declared:
            continue
        value = getattr(values, name)
        if not value:
            text = declared["otherwise"]
        elif value == field.default and not declared["always"]:
            continue
        else:
            text = f"{name.replace('_', ' ')} {{{name}}}" if declared["said"] is None else declared["said"]
        if text:
            yield text.format_map(shown)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
