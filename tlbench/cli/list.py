"""`tlbench list`: what there is, and which plugin brought it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlbench.cli.app import Debug, app
from tlbench.cli.plugged import plugged
from tlbench.errors import UserError

if TYPE_CHECKING:
    from tlbench.contracts.strategy import Strategy
    from tlbench.contracts.suite import Suite
    from tlbench.registry.components import Entry
    from tlbench.registry.kinds import Kind, Registry


class What(StrEnum):
    """The kinds that can be listed."""

    backbones = "backbones"
    datasets = "datasets"
    suites = "suites"
    strategies = "strategies"
    tasks = "tasks"
    metrics = "metrics"
    columns = "columns"
    executors = "executors"
    reporters = "reporters"
    optimizers = "optimizers"
    schedules = "schedules"
    augmentations = "augmentations"
    formats = "formats"
    commands = "commands"
    plugins = "plugins"


@app.command(name="list")
@plugged
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    name: Annotated[
        str | None, typer.Argument(help="Only this one, or those whose names contain it.", show_default="all")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only names that contain this.", show_default="all")] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Show options with their types, what a strategy cites, a single backbone's blocks, what a plugin "
            "registers.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List what there is of a kind: backbones, datasets, strategies and so on, each with where it comes from."""
    from tlbench.registry.facts import backbone_facts
    from tlbench.registry.kinds import Registry
    from tlbench.registry.overview import plugin_rows
    from tlbench.registry.plugins import load_plugins

    registry = Registry.of(load_plugins())
    if what is What.plugins:
        parts = [part.lower() for part in (search, name) if part is not None]
        found = [row for row in plugin_rows(registry) if all(part in row["name"].lower() for part in parts)]
    else:
        kind = registry.of_kind(what.value)
        entries = [entry for entry in _named(kind, name) if (search or "").lower() in entry.qualified.lower()]
        found = [_describe(entry) for entry in entries]
        if what is What.backbones:
            found = [row | facts for row, facts in zip(found, backbone_facts(registry, entries), strict=True)]
    if what is What.backbones and verbose and len(found) == 1:
        found[0] |= _outline(registry, found[0]["name"])
    if not found and (part := search or name) is not None:
        typer.echo(f"none of the {what.value} has {part!r} in its name", err=True)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print(found, what, verbose)
    for row in found:
        if row.get("problem"):
            typer.echo(f"warning: {row['name']} can't be used: {row['problem']}", err=True)
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
    from tlbench.registry.outline import outline

    return outline(name, registry.backbones.resolve(name))


def _describe(entry: Entry[Any]) -> dict[str, Any]:
    from tlbench.registry.options import option_type

    return {
        "name": entry.qualified,
        "summary": entry.summary,
        **(_strategy(entry.factory(None)) if entry.kind == "strategy" else {}),
        **(_suite(entry.factory(None)) if entry.kind == "suite" else {}),
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


def _suite(suite: Suite) -> dict[str, Any]:
    """The datasets of a suite, also as lines of their own."""
    return {"members": suite.datasets, "lines": suite.datasets}


def _strategy(strategy: Strategy) -> dict[str, Any]:
    """What a strategy says of itself."""
    return {
        "details": strategy.details,
        "when": strategy.when,
        "paper": strategy.paper,
        "learning_rates": dict(strategy.learning_rates),
        "tasks": None if strategy.tasks is None else list(strategy.tasks),
    }


def _plugin_shown(row: dict[str, Any]) -> dict[str, Any]:
    """A plugin as components are shown: its state, what it registers, and the rest."""
    lines = [f"{kind}: {', '.join(names)}" for kind, names in row["registers"].items()]
    if row["api"] is not None:
        lines.append(f"hooks of version {row['api']}")
    if row["load_seconds"] is not None:
        lines.append(f"loaded in {row['load_seconds']:.3f} s")
    if row["source_digest"]:
        lines.append(f"source {row['source_digest'][:12]}")
    return row | {"summary": row["state"], "lines": [*lines, *(f"fault: {each}" for each in row["faults"])]}


def _print(found: list[dict[str, Any]], what: What, verbose: bool) -> None:
    from tlbench.cli.output import result_console
    from tlbench.report.listing import LEGEND, print_backbones, print_blocks, print_components

    console = result_console()
    if not found:
        return
    if what is What.backbones:
        print_backbones(found, console)
        typer.echo(f"\n{LEGEND}", err=True)
    if verbose or what is not What.backbones:
        print_components([*map(_plugin_shown, found)] if what is What.plugins else found, verbose, console)
    for row in found:
        if "blocks" in row:
            print_blocks(row, console)
