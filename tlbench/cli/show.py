"""`tlbench show`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Margin, Results, app
from tlbench.errors import UserError


class Form(StrEnum):
    """How a run is shown."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write to.", show_default="stdout")
    ] = None,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail",
            help="Below the table, each row's learning rates, BatchNorm statistics and times of training steps.",
        ),
    ] = False,
    margin: Margin = None,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Show a run's records."""
    from tlbench.cli.output import FULL_WIDTH, document, print_missing, print_results
    from tlbench.results.store import find_run

    folder = find_run(run, results)
    plan = folder.plan()
    records, damaged = folder.read()
    if output is None:
        print_results(plan, records, folder, form, detail, margin)
        print_missing(plan, records, damaged, folder)
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            if form is Form.table:
                from rich.console import Console

                from tlbench.report.of_run import report_data
                from tlbench.report.table import print_tables

                console = Console(file=file, width=FULL_WIDTH, no_color=True)
                print_tables(report_data(plan, folder, records, margin), console, detail)
            else:
                print(document(plan, records, folder, form, margin), file=file)
        print_missing(plan, records, damaged, folder)
    except OSError as error:
        raise UserError(f"{output} can't be written: {error.strerror}") from error
