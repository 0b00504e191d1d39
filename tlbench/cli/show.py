"""`tlbench show`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Margin, Output, Results, app
from tlbench.cli.plugged import plugged
from tlbench.errors import UserError


class Form(StrEnum):
    """How a run is shown."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"
    junit = "junit"
    openmetrics = "openmetrics"
    benchmark = "pytest-benchmark"
    html = "html"


@app.command()
@plugged
def show(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.table,
    output: Output = None,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail",
            help="Below the table, each row beside the best, learning rates, BatchNorm statistics and times of steps.",
        ),
    ] = False,
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="CONDITION",
            help="Show rows that meet it alone: strategy=lora*, accuracy>=0.9, status!=ok. May be repeated.",
            show_default="none",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            help="Sort by a column, the best first; -COLUMN, the worst.",
            show_default="as planned",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="NAMES",
            help="Columns behind the metric, separated by commas; with --rows, the axis across (strategy, dataset, …).",
            show_default="those of a run",
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="AXIS",
            help="Show the metric alone: this axis down (backbone, …), --columns across.",
            show_default="a row for each cell",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="NAME", help="Compare rows by this metric.", show_default="the task's primary"
        ),
    ] = None,
    only_differing: Annotated[
        bool, typer.Option("--only-differing", help="Leave out columns that are equal in all rows.")
    ] = False,
    margin: Margin = None,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Show a run's records."""
    from tlbench.cli.output import document, print_missing, result_to
    from tlbench.report.documents import pivot_markdown
    from tlbench.report.of_run import report_data
    from tlbench.report.pivot import pivot
    from tlbench.report.selection import Selection, split
    from tlbench.report.table import print_pivot, print_tables
    from tlbench.results.store import find_run

    folder = find_run(run, results)
    plan = folder.plan()
    records, damaged = folder.read()
    names = split(columns)
    asked = Selection(tuple(conditions or ()), sort, () if rows else names, metric, only_differing)
    data = asked.of(report_data(plan, folder, records, margin))
    across = None if rows is None else pivot(data, rows, names[0] if names else "strategy")
    if across is not None and form not in (Form.table, Form.markdown):
        raise UserError(f"--rows makes a table of one figure, which --format {form} has no place for")

    with result_to(output) as console:
        if form is Form.table:
            print_tables(data, console, detail) if across is None else print_pivot(across, console)
        elif across is not None:
            print(pivot_markdown(across), file=console.file)
        else:
            print(document(plan, folder, data, form), file=console.file)
    print_missing(plan, records, damaged, folder)
