"""`tlbench plugin`: what authors of plugins use."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from tlbench.cli.app import Debug, Quiet, app

if TYPE_CHECKING:
    from rich.console import Console

    from tlbench.testing.kit.checks import CheckResult

plugin_app = typer.Typer(help="Write a plugin, and check whether it keeps its contracts.", no_args_is_help=True)
app.add_typer(plugin_app, name="plugin")

STYLES = {"passed": "green", "failed": "red", "skipped": "dim"}


@plugin_app.command()
def check(
    plugin: Annotated[
        str, typer.Argument(metavar="PACKAGE|FILE", help="An installed plugin or distribution, a module, or a file.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Check this component alone, with options if need be; may be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check how a plugin registers, and each of its components, by the conformance kit.

    Of a family of backbones, the first that is no giant is checked. The exit status is 1 where a check failed.
    """
    from tlbench.cli.output import progress_console, result_console
    from tlbench.testing.kit.asked import asked_for
    from tlbench.testing.kit.running import plugin_checked
    from tlbench.words import printable

    asked, told = asked_for(plugin, only or ()), progress_console(quiet=quiet)
    found = list(plugin_checked(asked, lambda said: told.print(printable(said), markup=False, highlight=False)))
    if as_json:
        print(json.dumps(_document(plugin, found), indent=1))
    else:
        _print(found, result_console())
    if any(each.outcome == "failed" for each in found):
        raise typer.Exit(1)


def _document(plugin: str, found: list[CheckResult]) -> dict[str, object]:
    return {"plugin": plugin, "counts": _counts(found), "results": [dataclasses.asdict(each) for each in found]}


def _counts(found: list[CheckResult]) -> dict[str, int]:
    number = Counter(each.outcome for each in found)
    return {"passed": number["passed"], "failed": number["failed"], "skipped": number["skipped"]}


def _print(found: list[CheckResult], console: Console) -> None:
    """A table of all checks, with the sentences of those that failed below it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tlbench.words import one_line, printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("component", "check", "outcome"):
        table.add_column(heading)
    for each in found:
        outcome = f"{each.outcome}: {one_line(each.said)}" if each.outcome == "skipped" else each.outcome
        table.add_row(
            Text(f"{each.kind} {one_line(each.component)}"), Text(each.check), Text(outcome, style=STYLES[each.outcome])
        )
    console.print(table)
    console.print()
    for each in found:
        if each.outcome == "failed":
            console.print(Text(f"failed: {printable(each.said)}", style="red"))
    console.print(", ".join(f"{number} {outcome}" for outcome, number in _counts(found).items()))
