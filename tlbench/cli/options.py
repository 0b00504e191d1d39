"""Flags made from the fields of a request."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tlbench.plan.option import facts
from tlbench.plan.request import NAMED, REPEATED
from tlbench.words import split_names


def with_flags_of(model: type[BaseModel]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each field of a model, in place of its `**given`; what is not given is None there."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        kept = [each for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, field))
            for name, field in model.model_fields.items()
        ]
        keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept]
        command.__signature__ = inspect.Signature([*made, *keyword])  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in (*made, *keyword)} | {"return": None}
        return command

    return decorate


def given_values(given: dict[str, Any]) -> dict[str, object]:
    """What was given on the command line, as a request takes it."""
    return {name: tuple(_parts(name, value)) if isinstance(value, list) else value for name, value in given.items()}


def _parts(name: str, values: list[str]) -> Iterator[str]:
    for value in values:
        yield from split_names(value) if name in NAMED else [value]


def _annotation(name: str, field: FieldInfo) -> Any:
    flag = "--" + name.replace("_", "-")
    extra = facts(field)
    about = (field.description or "").removesuffix(".")
    shown = extra.get("shown") or _shown(field.default)
    if field.annotation is bool:
        flags = f"{flag}/--no-{flag[2:]}" if field.default else flag
        return Annotated[bool | None, typer.Option(flags, help=f"{about}.", show_default=False)]
    if name in NAMED or name in REPEATED:
        about += ", separated by commas or by repeating the option" if name in NAMED else ""
        option = typer.Option(flag, metavar=extra.get("metavar"), help=f"{about}.", show_default=shown)
        return Annotated[list[str] | None, option]
    return Annotated[
        str | None,
        typer.Option(flag, metavar=extra.get("metavar") or _metavar(field), help=f"{about}.", show_default=shown),
    ]


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "none" if default is None else str(default)


def _metavar(field: FieldInfo) -> str:
    kinds = {field.annotation, *typing.get_args(field.annotation)}
    return "INTEGER" if int in kinds else "NUMBER" if float in kinds else "TEXT"
