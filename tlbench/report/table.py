"""The comparison table in a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.detail import detail as details
from tlbench.report.footer import MARKED, footer, heading
from tlbench.report.over_datasets import over_datasets
from tlbench.report.pivot import Pivot
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable, tables
from tlbench.words import one_line, printable

TEXTS = (*text.NAMED, text.RANK, "status")
"""Columns that are no figures: they are set to the left, and fold."""
SAID_ONCE = ("weights", "passes", "status")
"""Columns that a table which is too wide leaves out where all rows are equal in them."""
Cells = dict[str, Text]
"""A row's cells by column."""


def print_tables(data: ReportData, console: Console, detail: bool = False) -> None:
    """A table for each dataset, with its footer. The best of each column among comparable rows has a star.

    With `detail`, the choices of each row follow, what it is compared with the best, and the times of steps, phase by
    phase. Over several datasets, a table of mean ranks is last.
    """
    found = tables(data)
    for table in found:
        _print_heading(heading(table), console)
        for line in text.equal_line(table):
            console.print(Text(one_line(line)), soft_wrap=not console.is_terminal)
        _print_table(_cells(table), text.headings(table), console)
        _print_footer([*footer(table), *([f"*: {MARKED}"] if table.best else [])], console)
        for line in details(table) if detail else ():
            console.print(Text(printable(line)), soft_wrap=not console.is_terminal)
    for ranked in over_datasets(found, data.suites):
        _print_heading(ranked.heading, console)
        lines = [dict(zip(ranked.columns, map(Text, map(one_line, line)), strict=True)) for line in ranked.lines()]
        _print_table(lines, ranked.columns, console)
        _print_footer(ranked.footer(), console)


def print_pivot(found: Pivot, console: Console) -> None:
    """A table of a figure by two axes."""
    _print_heading(found.heading, console)
    names = ["backbone", *(str(number) for number in range(len(found.across)))]
    lines = [dict(zip(names, map(Text, map(one_line, line)), strict=True)) for line in found.lines]
    headings = dict(zip(names, map(one_line, (found.down, *found.across)), strict=True))
    widths = {name: max(cell_len(headings[name]), *(line[name].cell_len for line in lines)) for name in names}
    console.print(_table(lines, headings, widths, 2))


def _print_heading(heading: str, console: Console) -> None:
    console.print()
    console.print(Text(one_line(heading), style="bold"))


def _print_footer(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(printable(line), style="dim"), soft_wrap=not console.is_terminal)


def _cells(table: DatasetTable) -> list[Cells]:
    return [
        {name: _cell(content, (number, name) in table.best, name, row) for name, content in line.items()}
        for number, (row, line) in enumerate(zip(table.rows, text.lines(table), strict=True))
    ]


def _cell(content: str, is_best: bool, column: str, row: Row) -> Text:
    content = one_line(content)
    if is_best:
        return Text(f"{content}*", style="bold green")
    if column == "status":
        return Text(content, style="green" if row.status == "ok" else "red")
    if column == "weights" and content == "RANDOM":
        return Text(content, style="bold yellow")
    return Text(content)


def _print_table(rows: list[Cells], headings: dict[str, str], console: Console) -> None:
    """One table; where it would be wider than the console, the backbone's name stands on a line above its rows.

    What is equal in all rows then stands above the table.
    """
    widths = {name: max(cell_len(heading), *(row[name].cell_len for row in rows)) for name, heading in headings.items()}
    for gap in (2, 1):
        if _total(widths, gap) <= console.width:
            console.print(_table(rows, headings, widths, gap))
            return
    grouped = widths.pop("backbone", None) is not None
    said_once = [name for name in SAID_ONCE if name in headings] if len(rows) > 1 else []
    equal = [name for name in said_once if len({row[name].plain for row in rows}) == 1]
    if equal:
        said = ", ".join(f"{headings[name].lower()} {rows[0][name].plain}" for name in equal)
        console.print(Text(f"All rows: {said}"), soft_wrap=not console.is_terminal)
    widths = {name: width for name, width in widths.items() if name not in equal}
    widths = _narrowed(widths, console.width)
    gap = 2 if _total(widths, 2) <= console.width else 1
    console.print(_table([], headings, widths, gap))
    for backbone, group in groupby(rows, key=lambda row: row["backbone"].plain):
        if grouped:
            console.print(Text(backbone, style="bold"))
        console.print(_table(list(group), headings, widths, gap, headed=False))


def _total(widths: dict[str, int], gap: int) -> int:
    return sum(widths.values()) + gap * (len(widths) - 1)


def _narrowed(widths: dict[str, int], most: int) -> dict[str, int]:
    """Take from the widest columns of text, which fold, what is too much; figures are never broken."""
    widths = dict(widths)
    folding = [name for name in widths if name in TEXTS]
    while _total(widths, 1) > most:
        widest = max(folding, key=widths.__getitem__)
        if widths[widest] <= 1:
            break
        widths[widest] -= 1
    return widths


def _table(
    rows: Sequence[Cells], headings: dict[str, str], widths: dict[str, int], gap: int, headed: bool = True
) -> Table:
    padding = (0, gap - 1, 0, 0)  # the box draws a space between columns
    table = Table(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False, show_header=headed)
    for name, width in widths.items():
        numeric = name not in TEXTS
        table.add_column(
            headings[name],
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            width=width,
        )
    for row in rows:
        table.add_row(*(row[name] for name in widths))
    return table
