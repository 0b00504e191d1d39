"""Where results and progress go: results to stdout alone, all else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console

from tlbench.plan import Plan
from tlbench.records import Record
from tlbench.store import RunFolder

FULL_WIDTH = 240


def result_console() -> Console:
    """stdout: a terminal as it is; a file or a pipe without colour and wide enough to cut nothing."""
    return Console() if sys.stdout.isatty() else Console(width=FULL_WIDTH, no_color=True)


def progress_console() -> Console:
    """stderr."""
    return Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=FULL_WIDTH, no_color=True)


def print_results(plan: Plan, records: Iterable[Record], folder: RunFolder, form: str, detail: bool = False) -> None:
    """Write a run's records to stdout as a table, markdown, json or csv."""
    if form == "table":
        from tlbench.report.table import print_tables

        print_tables(records, folder.correct, result_console(), detail)
    else:
        print(document(plan, records, folder, form))


def document(plan: Plan, records: Iterable[Record], folder: RunFolder, form: str) -> str:
    """A run's records as markdown, json or csv."""
    from tlbench.report import documents

    if form == "json":
        return documents.to_json(plan, records)
    return documents.to_markdown(records, folder.correct) if form == "markdown" else documents.to_csv(records)
