"""Where results and progress go: results to stdout alone, all else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tlbench.errors import UserError
from tlbench.plan.plan import Plan
from tlbench.report.data import ReportData
from tlbench.results.records import Record
from tlbench.results.store import RunFolder
from tlbench.results.unfinished import without_record
from tlbench.words import printable

FULL_WIDTH = 240
MOST_RUNS = 50
"""Runs that a page draws the history of a cell of."""


def result_console() -> Console:
    """stdout: a terminal as it is; a file or a pipe without colour and wide enough to cut nothing."""
    return Console() if sys.stdout.isatty() else Console(width=FULL_WIDTH, no_color=True)


@contextmanager
def result_to(output: Path | None) -> Iterator[Console]:
    """Where a result is written: stdout, or a file; raises UserError where the file can't be written."""
    if output is None:
        yield result_console()
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            yield Console(file=file, width=FULL_WIDTH, no_color=True)
    except OSError as error:
        raise UserError(f"{output} can't be written: {error.strerror}") from error


def progress_console(*, quiet: bool = False) -> Console:
    """stderr, or nowhere."""
    if sys.stderr.isatty():
        return Console(stderr=True, quiet=quiet)
    return Console(stderr=True, width=FULL_WIDTH, no_color=True, quiet=quiet)


def print_results(plan: Plan, records: Sequence[Record], folder: RunFolder, form: str, detail: bool = False) -> None:
    """Write a run's records to stdout as a table or as JSON."""
    from tlbench.report.of_run import report_data

    if form == "table":
        from tlbench.report.table import print_tables

        print_tables(report_data(plan, folder, records), result_console(), detail)
    else:
        print(document(plan, folder, report_data(plan, folder, records), form))


def print_missing(plan: Plan, records: Sequence[Record], damaged: Sequence[str], folder: RunFolder) -> None:
    """Say on stderr which documents can't be read, and how many trials of the plan have no record, if any."""
    said = [f"warning: {each}; it is not shown" for each in damaged]
    ids = plan.trial_ids()
    missing = len(set(ids) - {record.trial.id for record in records})
    if missing:
        said.append(f"{without_record(len(ids), missing)}: tlbench resume {folder.path}")
    for line in said:
        print(printable(line), file=sys.stderr)


def document(plan: Plan, folder: RunFolder, data: ReportData, form: str) -> str:
    """A run's records in any form but a table."""
    from tlbench.report import documents

    if form == "json":
        return documents.to_json(plan, data.records)
    if form == "csv":
        return documents.to_csv(data.records, data.columns)
    if form == "junit":
        from tlbench.report.junit import to_junit

        return to_junit(plan.name, data)
    if form == "openmetrics":
        from tlbench.report.openmetrics import to_openmetrics

        return to_openmetrics(data)
    if form == "pytest-benchmark":
        from tlbench.report.benchmark import to_benchmark

        return to_benchmark(data)
    if form == "html":
        return page(plan, folder, data)
    return documents.to_markdown(data)


def page(plan: Plan, folder: RunFolder, data: ReportData) -> str:
    """The HTML report, with the history of its cells in the runs beside it."""
    from tlbench.report.page import to_html
    from tlbench.trends.documents import for_page
    from tlbench.trends.of_runs import history_beside

    history = history_beside(folder, MOST_RUNS)
    return to_html(plan, folder, data, for_page(history) if history else {})
