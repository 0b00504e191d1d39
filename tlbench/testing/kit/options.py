"""Checks of a component's options: stated, documented, and kept by the component's name."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tlbench.contracts.options import Options
from tlbench.errors import UserError
from tlbench.registry.chosen import using
from tlbench.registry.components import Component
from tlbench.registry.options import SEVERAL
from tlbench.testing.kit.checks import Failed, check
from tlbench.testing.kit.subject import Subject, kinds_of
from tlbench.words import listed

UNKNOWN = "no_option_of_this_name"


@check("options", "have defaults that are valid")
def defaults_are_valid(subject: Subject) -> None:
    """Every default is a value that the option itself accepts."""
    options = subject.component.entry.options
    given = subject.component.options.model_dump(include=_required(options))
    for name, field in options.model_fields.items():
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            try:
                options.model_validate(given | {name: default})
            except ValidationError as error:
                said = error.errors()[0]["msg"]
                raise Failed(f"the default of its option {name} is {default!r}, which it refuses: {said}") from None


@check("options", "are described and typed")
def described_and_typed(subject: Subject) -> None:
    """Every option has a description, which `tlbench list -v` shows, and a type other than Any."""
    fields = subject.component.entry.options.model_fields
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        raise Failed(f'its option {listed(bare)} has no description; write Field(…, description="…")')
    if untyped := [name for name, field in fields.items() if field.annotation in (Any, object, None)]:
        raise Failed(f"its option {listed(untyped)} has no type; give it one, so that bad values are refused")


@check("options", "survive JSON")
def survive_json(subject: Subject) -> None:
    """The options as a record and a saved model have them are valid, and the same, when they are read again."""
    component = subject.component
    try:
        again = component.entry.options.model_validate(component.resolved)
    except Exception as error:
        raise Failed(f"its options as JSON are {component.resolved!r}, which it refuses: {error}") from error
    if again != component.options:
        raise Failed(f"its options are {component.options!r}, and read again from JSON {again!r}; they must be equal")


@check("options", "are kept by the component's name", needs=["survive JSON"])
def kept_by_the_name(subject: Subject) -> None:
    """The name with options, as records have it, gives the same options and the same name when it is read again.

    Also with each option changed, where the kit finds another value that is valid.
    """
    _round_trip(subject, subject.component)
    for name, changed in changed_options(subject.component.options):
        component = Component(subject.component.entry, changed)
        try:
            _round_trip(subject, component)
        except Failed as failed:
            raise Failed(f"with {name}={getattr(changed, name)!r}, {failed}") from None


def _round_trip(subject: Subject, component: Component[Any]) -> None:
    kind = kinds_of(subject.registry)[subject.kind]
    try:
        with using(subject.chosen):
            again = kind.resolve(component.ref)
    except UserError as error:
        raise Failed(f"its name is {component.ref}, which can't be read again: {error}") from error
    if again.options != component.options:
        raise Failed(
            f"its name is {component.ref}, and read again it has other options: {again.options!r}, not "
            f"{component.options!r}"
        )
    if again.ref != component.ref:
        raise Failed(f"its name is {component.ref}, and read again {again.ref}; it must stay the same")


@check("options", "refuse unknown names")
def refuse_unknown_names(subject: Subject) -> None:
    """A misspelt option is an error and not left out: the class derives from `tlbench.Options` and keeps its rule."""
    options = subject.component.options
    try:
        type(options).model_validate(options.model_dump() | {UNKNOWN: 1})
    except ValidationError:
        return
    raise Failed(f'it accepts the option {UNKNOWN!r}, which it does not have; keep extra="forbid" of tlbench.Options')


def changed_options(options: Options) -> Iterator[tuple[str, Options]]:
    """The options with one after the other changed, where a valid other value can be found from its type."""
    for name, field in type(options).model_fields.items():
        if field.is_required():
            continue
        now = getattr(options, name)
        for value in other_values(field.annotation, now):
            try:
                changed = type(options).model_validate(options.model_dump() | {name: value})
            except ValidationError:
                continue
            if getattr(changed, name) != now:
                yield name, changed
                break


def other_values(annotation: object, now: object) -> Iterator[object]:
    """Values that an option of a type may take besides the one that it has."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from other_values(arguments[0], now)
    elif origin is Literal:
        yield from (each for each in arguments if each != now)
    elif origin is typing.Union or isinstance(annotation, types.UnionType):
        for each in arguments:
            yield from other_values(each, now)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from annotation
    elif annotation is types.NoneType:
        yield None
    elif annotation is bool:
        yield not now
    elif annotation in (int, float):
        yield from _numbers(now)
    elif annotation is str:
        yield from ("other", "a")
    elif annotation is Path:
        yield Path("other/place")
    elif origin in SEVERAL or annotation in SEVERAL:
        yield from _collections(arguments, now)


def _numbers(now: object) -> Iterator[object]:
    if isinstance(now, int | float) and not isinstance(now, bool):
        yield from (now + 1, now * 2, now / 2, now - 1, -now)
    yield from (0.5, 1, 2, 0.1, 10)


def _collections(arguments: tuple[object, ...], now: object) -> Iterator[object]:
    members = [each for each in arguments if each is not Ellipsis]
    if isinstance(now, tuple | list) and len(now) > 1:
        yield now[:-1]
    for value in other_values(members[0], None) if members else ():
        yield (value,)


def _required(options: type[Options]) -> set[str]:
    return {name for name, field in options.model_fields.items() if field.is_required()}
