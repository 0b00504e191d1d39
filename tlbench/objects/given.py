"""The objects among the arguments of `tlbench.run`, and the names that stand for them in a plan."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlbench.contracts.strategy import Strategy
from tlbench.errors import UserError
from tlbench.objects.images import SPLITS
from tlbench.objects.pickled import pickled
from tlbench.registry.chosen import Given, in_use, using
from tlbench.registry.given import PLUGIN
from tlbench.registry.provenance import Provenance
from tlbench.temporary import temporary_folder

KINDS = {"backbones": "backbone", "datasets": "dataset", "strategies": "strategy"}
"""The arguments that take objects, and the kind that these are made to."""


@contextmanager
def objects_named(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The same options with names in place of objects, which are components within the block.

    An object is called by its own name, or by its key in a mapping: `backbones={"tiny": build_tiny}`. Raises UserError
    where it can't be handed to another process.
    """
    named = dict(options)
    given: list[Given] = []
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        for argument, kind in KINDS.items():
            names = []
            for name, each in _items(kind, options.get(argument)):
                if isinstance(each, str):
                    names.append(each)
                    continue
                taken = {other.name for other in given if other.kind == kind}
                given.append(_given(kind, _free(_legible(name or _name(kind, each)), taken), each, Path(folder)))
                names.append(f"{PLUGIN}/{given[-1].name}")
            if any(other.kind == kind for other in given):
                named[argument] = names
        with using(replace(in_use(), given=tuple(given))):
            yield named


def _items(kind: str, value: Any) -> Iterator[tuple[str | None, Any]]:
    """What an argument holds, one by one, with the names that a mapping has for them."""
    if value is None:
        return
    if isinstance(value, str):
        yield None, value
    elif isinstance(value, Mapping) and not (kind == "dataset" and set(value) <= set(SPLITS)):
        yield from value.items()
    elif isinstance(value, list | set | frozenset):
        for each in value:
            yield from _items(kind, each) if isinstance(each, Mapping) else [(None, each)]
    elif isinstance(value, tuple) and (kind != "dataset" or any(isinstance(each, str) for each in value)):
        yield from ((None, each) for each in value)
    else:
        yield None, value


def _given(kind: str, name: str, given: object, folder: Path) -> Given:
    if kind == "strategy" and not isinstance(given, Strategy):
        raise UserError(
            f"strategies: {name} is a {type(given).__name__}; a strategy is a function under @tlbench.strategy(…)"
        )
    written, digest, place = pickled(given, f"{kind} {name}")
    file = folder / f"{kind}-{name}.pkl"
    file.write_bytes(written)
    origin = Provenance(plugin=PLUGIN, distribution=place, version=digest[:12], source_digest=digest, local=True)
    return Given(kind, name, str(file), origin)


def _name(kind: str, given: Any) -> str:
    """What an object calls itself."""
    if isinstance(given, Strategy):
        return given.name
    if isinstance(given, functools.partial):
        texts = [each for each in given.args if isinstance(each, str)]
        return texts[0] if texts else _name(kind, given.func)
    if isinstance(given, tuple | Mapping):
        first = next(iter(given.values() if isinstance(given, Mapping) else given))
        return _name(kind, first)
    return str(getattr(given, "__name__", type(given).__name__))


def _legible(name: str) -> str:
    """A name as components have them."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-_.") or "object"


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of name-2, name-3, … that no other object of the kind has."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)
