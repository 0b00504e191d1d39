"""`tlbench plugin`: commands for those who write plugins."""

from __future__ import annotations

import typer

from tlbench.cli.app import app

plugin_app = typer.Typer(help="Write a plugin, and check it.", no_args_is_help=True)
app.add_typer(plugin_app, name="plugin")
