"""`tlbench list`: what there is, and which plugin brought it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlbench.cli.app import Block, Debug, app
from tlbench.errors import UserError

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
    name: Annotated[
        str | None, typer.Argument(help="Only this one, or those whose names contain it.", show_default="all")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only names that contain this.", show_default="all")] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Show options with their types, what a strategy cites, a single backbone's blocks."
        ),
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
        entries = _named(kinds[what], name)
        found = [_describe(entry) for entry in entries]
    for part in (search, name if what is What.plugins else None):
        if part is not None:
            found = [row for row in found if part.lower() in row["name"].lower()]
    if what is What.backbones and verbose and len(found) == 1:
        found[0] |= _outline(registry, found[0]["name"])
    if not found and (part := search or name) is not None:
        typer.echo(f"none of the {what.value} has {part!r} in its name", err=True)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print(found, what, verbose)
    for text in registry.plugins.notes:
        typer.echo(f"warning: {text}", err=True)
    for fault in registry.plugins.faults:
        typer.echo(f"warning: {fault}", err=True)
        if debug and fault.trace:
            typer.echo(fault.trace, err=True)


def _named(kind: Kind[Any], name: str | None) -> list[Entry[Any]]:
    """The entry of a name, or those whose names contain it; raises UserError where there is none."""
    if name is None:
        return list(kind)
    try:
        return [kind.find(name)]
    except UserError:
        containing = [entry for entry in kind if name.lower() in entry.qualified.lower()]
        if not containing:
            raise
        return containing


def _outline(registry: Registry, name: str) -> dict[str, Any]:
    """A backbone's head, and its blocks with their stages and the numbers of their parameters."""
    from tlbench.outline import outline

    return outline(name, registry.backbones.resolve(name))


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
    from tlbench.report.text import rates

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
            table.add_row("", f"rates: {rates(row['learning_rates'])}", "")
        for option in row.get("options", []) if verbose else []:
            default = "required" if option["required"] else f"default {option['default']}"
            described = f": {option['description']}" if option["description"] else ""
            table.add_row(f"  :{option['name']}=", f"{option['type']}, {default}{described}", "")
    result_console().print(table)
    for row in found:
        if "blocks" in row:
            _print_blocks(row)


def _print_blocks(row: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    from tlbench.cli.output import result_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, justify in (("block", "right"), ("stage", "right"), ("parameters", "right"), ("output of", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("with", overflow="fold")
    for block in row["blocks"]:
        table.add_row(
            *(str(block["block"]), str(block["stage"]), f"{block['parameters']:,}", block["output"]),
            ", ".join(path for path in block["modules"] if path != block["output"]),
        )
    table.add_row("head", "", f"{row['head']['parameters']:,}", ", ".join(row["head"]["modules"]), "")
    console = result_console()
    console.print()
    console.print(table)
