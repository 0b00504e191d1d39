"""What plugins and programs may use is what tests/public_api.txt says: a change is made on purpose, and announced."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

import tlbench.contracts
from tlbench import hookspecs

SNAPSHOT = Path(__file__).with_name("public_api.txt")
RENEW = "TLBENCH_RENEW"
CONTRACTS = [f"tlbench.contracts.{each.name}" for each in pkgutil.iter_modules(tlbench.contracts.__path__)]
PUBLIC = ("tlbench", "tlbench.contracts", *CONTRACTS, "tlbench.toolkit", "tlbench.testing")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def test_the_public_api_is_the_one_that_was_announced() -> None:
    now = "".join(f"{line}\n" for line in [*lines_of_modules(), *lines_of_hooks()])
    if os.environ.get(RENEW) == "1":
        SNAPSHOT.write_text(now, "utf-8")
    then = SNAPSHOT.read_text("utf-8")
    changed = "\n".join(difflib.unified_diff(then.splitlines(), now.splitlines(), "announced", "now", lineterm="", n=0))
    assert not changed, (
        f"the public API has changed; say so in CHANGELOG.md, what goes away with a date first (docs/plugins.md, "
        f"What stays stable), then renew {SNAPSHOT.name} by {RENEW}=1 pytest tests/{Path(__file__).name}:\n{changed}"
    )


def test_a_changed_signature_changes_its_line() -> None:
    def before(name: str, number: int = 3) -> None: ...

    def after(name: str, number: int = 4) -> None: ...

    assert list(lines_of("x.f", before)) == ["x.f(name: 'str', number: 'int' = 3) -> 'None'"]
    assert list(lines_of("x.f", before)) != list(lines_of("x.f", after))


def lines_of_modules() -> Iterator[str]:
    """A line for each name, field, method and property of what is public, where it is met first."""
    met: dict[int, str] = {}
    for name in PUBLIC:
        module = importlib.import_module(name)
        for each in sorted(names_of(module)):
            value, full = getattr(module, each), f"{name}.{each}"
            if inspect.isclass(value) or inspect.isfunction(value):
                first = met.setdefault(id(value), full)
                if first != full:
                    yield f"{full} is {first}"
                    continue
            yield from lines_of(full, value)


def names_of(module: ModuleType) -> list[str]:
    """What a module exports; without a list of it, what is defined there."""
    exported: list[str] | None = getattr(module, "__all__", None)
    if exported is not None:
        return exported
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def lines_of_hooks() -> Iterator[str]:
    """A line for each hook, with its arguments."""
    for name, hook in sorted(vars(hookspecs).items()):
        if name.startswith("tlbench_"):
            yield f"hook {name}{inspect.signature(hook)}"


def lines_of(name: str, value: Any) -> Iterator[str]:
    """The lines of one name."""
    if inspect.isclass(value) and value.__module__.startswith("tlbench"):
        yield f"class {name}"
        yield from (f"{name}.{member}" for member in members_of(value))
    elif inspect.isroutine(value) and not inspect.isclass(value):
        yield f"{name}{signature(value)}"
    elif isinstance(value, str | int | tuple):
        yield f"{name}: {type(value).__name__}"
    else:
        yield f"{name} = {plain(repr(value))}"


def members_of(kind: type) -> Iterator[str]:
    """Fields with their types in the order in which they are given, methods with their signatures, and properties."""
    if dataclasses.is_dataclass(kind):
        yield from (f"{each.name}: {each.type}{default(each)}" for each in dataclasses.fields(kind))
    elif issubclass(kind, BaseModel):
        yield from (f"{name}: {plain(repr(each.annotation))}" for name, each in kind.model_fields.items())
    for base in kind.__mro__:
        if not base.__module__.startswith("tlbench"):
            continue
        for name, value in vars(base).items():
            unwrapped = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            own = name == "__init__" and not dataclasses.is_dataclass(kind) and not issubclass(kind, BaseModel)
            if (name.startswith("_") and not own) or (base is not kind and name in vars(kind)):
                continue
            if inspect.isfunction(unwrapped):
                yield f"{name}{signature(unwrapped)}"
            elif isinstance(value, property) or type(value).__name__ == "cached_property":
                yield f"{name} (property)"


def default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return " = made"
    return "" if field.default is dataclasses.MISSING else f" = {plain(repr(field.default))}"


def signature(function: Any) -> str:
    return plain(str(inspect.signature(function)))


def plain(text: str) -> str:
    """Without the addresses of objects."""
    return ADDRESS.sub("", text)
