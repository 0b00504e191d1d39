"""The commands that plugins bring."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from tlbench.registry.chosen import GROUP, OWN, Chosen, file_of_folder, using


def plugin_commands() -> dict[str, Any]:
    """The commands of installed plugins, and of the working folder's, by name; none where no others than tlbench's own
    are installed, without loading these.

    Raises UserError where the working folder's plugin can't be loaded.
    """
    file = file_of_folder(Path.cwd())
    if file is None and all(point.dist is not None and point.dist.name == OWN for point in entry_points(group=GROUP)):
        return {}
    from tlbench.registry.components import Component
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import load_plugins

    local = () if file is None else (str(file.absolute()),)
    with using(Chosen(local=local)):
        entries = list(Registry.of(load_plugins()).commands)
    return {entry.name: _command(entry.name, Component(entry, entry.options()).load()) for entry in reversed(entries)}


def _command(name: str, given: Any) -> Any:
    """What typer makes of a function or an app."""
    if isinstance(given, typer.Typer):
        made = typer.main.get_command(given)
    else:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command(name)(given)
        made = typer.main.get_command(app)
    made.name = name
    return made
