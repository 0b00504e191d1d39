"""The typed keywords of `tlbench.run`, written from the options of a run: type checkers read source alone."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from tlbench.plan.request import COMPARED, OwnRate, Request

MODULE = '''"""The keywords of `tlbench.run`. Made from the options of a run by `python docs/generate.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict


class RunOptions(TypedDict, total=False):
    """The options of a run, as `tlbench run --help` explains them; None is the default.

    Backbones, strategies and datasets are names, objects (a factory, a module, a dataset of another library), lists of
    both, or mappings from names to objects.
    """

{lines}
'''


def module(request: type[Request] = Request) -> str:
    """The whole module."""
    lines = [
        f"    {name}: {'object' if name in COMPARED else f'{_written(field.annotation)} | None'}"
        for name, field in request.model_fields.items()
    ]
    return MODULE.format(lines="\n".join(lines))


def _written(annotation: object) -> str:
    """What a keyword takes: what a person may write where the option holds what is made of it."""
    return " | ".join(dict.fromkeys(_parts(annotation)))


def _parts(annotation: object) -> Iterator[str]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _parts(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        for each in arguments:
            yield from _parts(each)
    elif origin is tuple:
        yield f"Sequence[{_written(arguments[0])}]"
        yield "str"
    elif origin is Literal:
        choices = ", ".join(f'"{each}"' for each in arguments)
        yield f"Literal[{choices}]"
    elif annotation in (OwnRate, Path):
        yield from ("str", "Path") if annotation is Path else ("str",)
    elif isinstance(annotation, type) and annotation is not types.NoneType:
        yield annotation.__name__
