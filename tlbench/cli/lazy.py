"""A group of commands of which some are made only when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from tlbench.errors import UserError

MADE_LATE = {"run": ("tlbench.cli.run", "run_app")}
"""By command, the module and the app of a single command that it is made from."""
KEY = "tlbench.plugin_commands"
"""Where an invocation's context keeps what plugins have brought."""


class LateGroup(TyperGroup):
    """Shows a late command by its stub, and carries out the one that its module makes; has those of plugins besides."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        own = super().list_commands(ctx)
        try:
            added = sorted(_of_plugins(ctx))
        except UserError:  # the working folder's plugin can't be loaded: help has the rest
            added = []
        return [*own, *(name for name in added if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; tlbench's own where a plugin has one of the same name."""
        return super().get_command(ctx, cmd_name) or _of_plugins(ctx).get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named, made now where it is a late one."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in MADE_LATE:
            module, app = MADE_LATE[name]
            command = typer.main.get_command(getattr(importlib.import_module(module), app))
            command.name = name
        return name, command, rest


def _of_plugins(ctx: Any) -> dict[str, Any]:
    """The commands of plugins, which are loaded once for an invocation."""
    from tlbench.cli.plugin_commands import plugin_commands

    if KEY not in ctx.meta:
        ctx.meta[KEY] = plugin_commands()
    found: dict[str, Any] = ctx.meta[KEY]
    return found
