"""The comparison table in a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlbench.records import Record
from tlbench.report import text
from tlbench.report.rows import Row, best, rows

NUMBERS = {
    "accuracy", "train_seconds", "step_ms", "images_per_second", "peak_memory_bytes", "trainable_parameters",
}  # fmt: skip


def print_tables(records: Iterable[Record], console: Console) -> None:
    """A table for each dataset, with its footer. The best of each column among comparable rows has a star."""
    by_dataset: dict[str, list[Row]] = {}
    for row in rows(records):
        by_dataset.setdefault(row.cell.dataset, []).append(row)
    for dataset, group in by_dataset.items():
        console.print()
        console.print(Text(dataset, style="bold"))
        console.print(_table(group))
        for line in text.footer(group):
            console.print(Text(line, style="dim"), soft_wrap=not console.is_terminal)


def _table(group: list[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name, heading in text.HEADINGS.items():
        numeric = name in NUMBERS
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    marked = best(group)
    for number, row in enumerate(group):
        cells = text.cells(row)
        table.add_row(*(_cell(cells[name], (number, name) in marked, name, row) for name in text.HEADINGS))
    return table


def _cell(content: str, is_best: bool, column: str, row: Row) -> Text:
    if is_best:
        return Text(f"{content}*", style="bold green")
    if column == "status":
        return Text(content, style="green" if row.status == "ok" else "red")
    if column == "weights" and content == "RANDOM":
        return Text(content, style="bold yellow")
    return Text(content)
