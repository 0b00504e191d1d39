"""The flags that say which plugins a command uses: of a run they are options like others, here those of the rest."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tlbench.registry.chosen import HELP, METAVARS, Chosen, using


def _flag(name: str) -> Any:
    flag = f"--{name.replace('_', '-')}"
    if name not in METAVARS:
        return Annotated[bool, typer.Option(f"{flag}/--no-{flag[2:]}", help=HELP[name])]
    return Annotated[list[str] | None, typer.Option(flag, metavar=METAVARS[name], help=HELP[name])]


FLAGS = [
    inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None if name in METAVARS else True, annotation=_flag(name)
    )
    for name in HELP
]


def plugged(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these flags, and use the plugins that they name while it runs."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        from tlbench.registry.local import found_local

        asked = {name: given.pop(name) for name in HELP}
        local = found_local(asked["plugin"] or (), Path.cwd() if asked["local_plugins"] else None)
        with using(Chosen(tuple(asked["no_plugin"] or ()), tuple(asked["plugins_from"] or ()), local)):
            command(**given)

    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(command, eval_str=True).parameters.values()
    ]
    wrapped.__signature__ = inspect.Signature([*own, *FLAGS])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in (*own, *FLAGS)} | {"return": None}
    return wrapped
