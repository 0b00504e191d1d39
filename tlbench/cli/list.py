"""`tlbench list`: what there is, and which plugin brought it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlbench.cli.app import Block, Debug, app

if TYPE_CHECKING:
    from tlbench.contracts import Strategy
    from tlbench.registry import Entry, Kind, Registry


class What(StrEnum):
    """The kinds that can be listed."""

    backbones = "backbones"
    datasets = "datasets"
    strategies = "strategies"
    plugins = "plugins"


@app.command(name="list")
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    search: Annotated[str | None, typer.Option(help="Only names that contain this.", show_default="all")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show options with their types, and what a strategy cites.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    block: Block = None,
    debug: Debug = False,
) -> None:
    """List backbones, datasets, strategies or plugins, each with where it comes from."""
    from tlbench.plugins import load_plugins
    from tlbench.registry import Registry

    registry = Registry.of(load_plugins(block or ()))
    if what is What.plugins:
        found = _plugins(registry)
    else:
        kinds: dict[What, Kind[Any]] = {
            What.backbones: registry.backbones,
            What.datasets: registry.datasets,
            What.strategies: registry.strategies,
        }
        found = [_describe(entry) for entry in kinds[what]]
    if search is not None:
        found = [row for row in found if search.lower() in row["name"].lower()]
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print(found, what, verbose)
    for fault in registry.plugins.faults:
        typer.echo(f"warning: {fault}", err=True)
        if debug and fault.trace:
            typer.echo(fault.trace, err=True)


def _describe(entry: Entry[Any]) -> dict[str, Any]:
    from tlbench.registry import option_type

    return {
        "name": entry.qualified,
        "summary": entry.summary,
        **(_strategy(entry.factory(None)) if entry.kind == "strategy" else {}),
        **entry.origin.model_dump(),
        "options": [
            {
                "name": name,
                "type": option_type(entry.options, name),
                "default": None if field.is_required() else field.get_default(call_default_factory=True),
                "required": field.is_required(),
                "description": field.description,
            }
            for name, field in entry.options.model_fields.items()
        ],
    }


def _strategy(strategy: Strategy) -> dict[str, Any]:
    """What a strategy says of itself."""
    return {
        "details": strategy.details,
        "when": strategy.when,
        "paper": strategy.paper,
        "learning_rates": dict(strategy.learning_rates),
    }


def _plugins(registry: Registry) -> list[dict[str, Any]]:
    plugins = registry.plugins
    loaded = [("loaded", origin, None) for origin in plugins.provenance.values()]
    blocked = [("blocked", origin, None) for origin in plugins.blocked.values()]
    rows = [
        {
            "name": origin.plugin,
            "distribution": origin.distribution,
            "version": origin.version,
            "state": state,
        }
        for state, origin, _ in (*loaded, *blocked)
    ]
    broken = {fault.plugin for fault in plugins.faults}
    for row in rows:
        if row["name"] in broken:
            row["state"] = "faulty"
    known = {row["name"] for row in rows}
    rows += [
        {"name": fault.plugin, "distribution": "", "version": "", "state": "faulty"}
        for fault in plugins.faults
        if fault.plugin not in known
    ]
    return [dict(row) for row in rows]


def _print(found: list[dict[str, Any]], what: What, verbose: bool) -> None:
    from rich import box
    from rich.table import Table

    from tlbench.cli.output import result_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    columns = ("state",) if what is What.plugins else ("summary",)
    for heading in ("name", *columns, "from"):
        table.add_column(heading, overflow="fold")
    for row in found:
        origin = f"{row['distribution']} {row['version']}".strip()
        table.add_row(row["name"], *(row[column] for column in columns), origin)
        for name in ("details", "when", "paper") if verbose else ():
            if row.get(name):
                table.add_row("", row[name] if name == "details" else f"{name}: {row[name]}", "")
        if verbose and row.get("learning_rates"):
            rates = ", ".join(f"{value:g} ({name})" for name, value in row["learning_rates"].items())
            table.add_row("", f"rates: {rates}", "")
        for option in row.get("options", []) if verbose else []:
            default = "required" if option["required"] else f"default {option['default']}"
            described = f": {option['description']}" if option["description"] else ""
            table.add_row(f"  :{option['name']}=", f"{option['type']}, {default}{described}", "")
    result_console().print(table)
