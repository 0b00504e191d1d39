"""`tlbench compare`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Margin, Output, Results, app
from tlbench.cli.plugged import plugged

GATE_FELL = 3
"""The exit status where a gate fell."""


class Form(StrEnum):
    """How a comparison is shown."""

    table = "table"
    markdown = "markdown"
    json = "json"
    junit = "junit"


@app.command()
@plugged
def compare(
    base: Annotated[str, typer.Argument(help="The run to compare with: its name, its folder, or a CSV file.")],
    head: Annotated[str, typer.Argument(help="The run that is compared.")],
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="[CELLS:]COLUMN=MOST[%]",
            help="The most that a column may become worse, as accuracy=1.0 (points) or 'resnet50*:step_ms=5%'; exits "
            "with 3 where a cell is worse by more, and certainly. May be repeated.",
            show_default="none",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE.toml",
            help="A file with gates, gates = ['accuracy=1.0', …], besides those given.",
            show_default="none",
        ),
    ] = None,
    only_changed: Annotated[bool, typer.Option("--only-changed", help="Leave out what is a tie.")] = False,
    margin: Margin = None,
    changed_sources: Annotated[
        bool,
        typer.Option(
            "--changed-sources",
            help="Compare cells whose plugin file or object has changed, too, which are other cells otherwise.",
        ),
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.table,
    output: Output = None,
    cell_columns: Annotated[
        str, typer.Option("--cell-columns", help="Of a CSV file: the columns that name a cell.")
    ] = "backbone,strategy",
    metric_column: Annotated[
        str, typer.Option("--metric-column", help="Of a CSV file: the column of the metric.")
    ] = "accuracy",
    seed_column: Annotated[str, typer.Option("--seed-column", help="Of a CSV file: the column of seeds.")] = "seed",
    example_column: Annotated[
        str,
        typer.Option("--example-column", help="Of a CSV file with a row for each example: the column that names it."),
    ] = "example",
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="Of a CSV file: a lower metric is better.")
    ] = False,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Compare two runs cell by cell: better, worse, tie; and fail where a regression is larger than a gate."""
    from tlbench.cli.output import result_to
    from tlbench.cli.step_summary import add_to_step_summary
    from tlbench.compare.changes import compare as compared
    from tlbench.compare.gates import judge, parse_gate, read_gates
    from tlbench.compare.junit import to_junit
    from tlbench.compare.of_csv import Columns
    from tlbench.compare.of_path import side
    from tlbench.compare.printed import print_comparison, to_markdown
    from tlbench.compare.shown import to_json
    from tlbench.report.documents import markdown_text

    asked = [parse_gate(each) for each in [*(gate or ()), *(read_gates(config) if config else ())]]
    columns = Columns.named(cell_columns, metric_column, seed_column, example_column, lower_is_better)
    found = compared(side(base, results, columns), side(head, results, columns), margin, changed_sources)
    judgements = judge(found, asked)
    with result_to(output) as console:
        if form is Form.json:
            print(to_json(found, judgements), file=console.file)
        elif form is Form.junit:
            print(to_junit(found, judgements), file=console.file)
        elif form is Form.markdown:
            print(to_markdown(found, judgements, only_changed), file=console.file)
        else:
            print_comparison(found, judgements, only_changed, console)
    names = f"tlbench compare {markdown_text(base)} {markdown_text(head)}"
    add_to_step_summary(names, lambda: to_markdown(found, judgements, only_changed))
    if any(each.fell for each in judgements):
        raise typer.Exit(GATE_FELL)
