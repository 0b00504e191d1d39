"""`tlbench show`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tlbench.cli.app import Debug, Margin, Output, Results, app
from tlbench.cli.plugged import plugged
from tlbench.errors import UserError, nearest

FORMATS = ("table", "markdown", "json", "csv", "junit", "openmetrics", "pytest-benchmark", "html")


@app.command()
@plugged
def show(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help=f"{', '.join(FORMATS[:-1])}, {FORMATS[-1]}, or a plugin's format."
        ),
    ] = FORMATS[0],
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
    from tlbench.api import Results as Records
    from tlbench.cli.output import document, print_missing, result_to
    from tlbench.report.documents import pivot_markdown
    from tlbench.report.of_run import report_data
    from tlbench.report.pivot import pivot
    from tlbench.report.selection import Selection, split
    from tlbench.report.table import print_pivot, print_tables
    from tlbench.results.store import find_run

    render = None if form in FORMATS else _format_of_plugin(form)
    folder = find_run(run, results)
    plan = folder.plan()
    records, damaged = folder.read()
    names = split(columns)
    asked = Selection(tuple(conditions or ()), sort, () if rows else names, metric, only_differing)
    data = asked.of(report_data(plan, folder, records, margin))
    across = None if rows is None else pivot(data, rows, names[0] if names else "strategy")
    if across is not None and form not in ("table", "markdown"):
        raise UserError(f"--rows makes a table of one figure, which --format {form} has no place for")

    with result_to(output) as console:
        if form == "table":
            print_tables(data, console, detail) if across is None else print_pivot(across, console)
        elif across is not None:
            print(pivot_markdown(across), file=console.file)
        elif render is not None:
            print(render(Records(plan, folder.path, tuple(data.records))), file=console.file)
        else:
            print(document(plan, folder, data, form), file=console.file)
    print_missing(plan, records, damaged, folder)


def _format_of_plugin(name: str) -> Callable[[Any], str]:
    """What a plugin renders a run by; raises UserError where no format has the name, or what it gives is no text."""
    from tlbench.registry.components import Component
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import load_plugins

    formats = Registry.of(load_plugins()).formats
    known = [*FORMATS, *(entry.name for entry in formats)]
    if name.rpartition("/")[2] not in known:
        raise UserError(f"there is no format {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    entry = formats.find(name)
    render: Callable[[Any], str] = Component(entry, entry.options()).load()

    def rendered(results: Any) -> str:
        try:
            text = render(results)
        except Exception as error:  # of a plugin
            raise UserError(f"the format {entry.qualified} raised {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise UserError(f"the format {entry.qualified} gave a {type(text).__name__}; it must give a text")
        return text

    return rendered
