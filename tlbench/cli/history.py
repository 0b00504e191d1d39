"""`tlbench history`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Results, app
from tlbench.cli.plugged import plugged


class Form(StrEnum):
    """How a history is shown."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"


@app.command()
@plugged
def history(
    cell: Annotated[
        str | None,
        typer.Argument(help="The cells: 'resnet50*', 'resnet50 × lora', resnet50/lora.", show_default="all"),
    ] = None,
    runs: Annotated[
        list[str] | None, typer.Argument(help="The runs: names or folders.", show_default="all in --results")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            "--metric",
            metavar="NAME",
            help="A metric or cost, as in tlbench show RUN --format csv. May be repeated.",
            show_default="the primary metric, training seconds, step_ms, peak memory",
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", metavar="N", help="Take the last N runs alone.", show_default="all")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write to.", show_default="stdout")
    ] = None,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Show cells over past runs: each run beside the one before, and change points. Without CELL, a line for each."""
    from tlbench.cli.output import result_to
    from tlbench.trends.of_runs import history_of
    from tlbench.words import printable

    found = history_of(cell, runs or (), results, columns or (), last)
    in_short = cell is None and len(found.cells) > 1
    with result_to(output) as console:
        if form is Form.table:
            from tlbench.trends.printed import print_history

            print_history(found, in_short, console)
        elif form is Form.markdown:
            from tlbench.trends.printed import to_markdown

            print(to_markdown(found, in_short), file=console.file)
        else:
            from tlbench.trends.documents import to_csv, to_json

            print(to_json(found) if form is Form.json else to_csv(found), file=console.file)
    for warning in found.warnings:
        print(printable(f"warning: {warning}"), file=sys.stderr)
