"""A history in a terminal, in a log, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tlbench.report.documents import markdown_head, markdown_line, markdown_text
from tlbench.trends.history import History
from tlbench.trends.shown import TREND, Table, notes, summary, tables
from tlbench.trends.spark import can_show, sparkline
from tlbench.words import one_line

STYLES = {"better": "green", "worse": "red"}
RIGHT = ("Runs", "Change")
FOLDED = ("Run", "Cell", "In", "Change points")
"""Columns of names, which narrow terminals have in several lines."""
MOST_BARS = 60


def print_history(history: History, in_short: bool, console: Console, zone: tzinfo | None = None) -> None:
    """Each cell's tables, or a line for each cell; and the notes under them."""
    if in_short:
        _print(summary(history), console)
        return
    for cell, found in tables(history, zone):
        console.print(Text(one_line(cell.name), style="bold"))
        for table in found:
            console.print()
            _print(table, console)
        console.print()
    _print_notes(notes(history, zone), console)


def _print(table: Table, console: Console) -> None:
    if table.above:
        console.print(Text(one_line(table.above), style="bold"), soft_wrap=not console.is_terminal)
    barred = can_show(console.encoding)
    bars = sparkline(table.values, min(MOST_BARS, console.width - len(table.title) - 2)) if barred else ""
    console.print(Text(f"{one_line(table.title)}  {bars}".rstrip(), style="italic"))
    shown = RichTable(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    places = [place for place, heading in enumerate(table.headings) if barred or heading != TREND]
    for heading in (table.headings[place] for place in places):
        side: Literal["left", "right"] = "right" if heading in RIGHT else "left"
        shown.add_column(Text(one_line(heading)), justify=side, overflow="fold", no_wrap=heading not in FOLDED)
    for line in table.lines:
        shown.add_row(*(_cell(line[place]) for place in places))
    console.print(shown)
    _print_notes(table.notes, console)


def _cell(content: str) -> Text:
    said = one_line(content)
    return Text(said, style=STYLES.get(said, ""))


def _print_notes(said: Iterable[str], console: Console) -> None:
    for note in said:
        console.print(Text(one_line(note), style="dim"), soft_wrap=not console.is_terminal)


def to_markdown(history: History, in_short: bool, zone: tzinfo | None = None) -> str:
    """The same as Markdown."""
    if in_short:
        return "\n".join(_markdown(summary(history))).rstrip()
    found = []
    for cell, of_cell in tables(history, zone):
        found += [f"**{markdown_text(cell.name)}**", ""]
        for table in of_cell:
            found += [*_markdown(table), ""]
    return "\n".join([*found, *_lines(notes(history, zone))]).rstrip()


def _markdown(table: Table) -> list[str]:
    above = [markdown_text(table.above), ""] if table.above else []
    head = markdown_head(markdown_text(each).replace("|", "\\|") for each in table.headings)
    lines = [markdown_line(line) for line in table.lines]
    return [*above, markdown_text(table.title), "", *head, *lines, "", *_lines(table.notes)]


def _lines(said: Iterable[str]) -> list[str]:
    return [f"{markdown_text(line)}  " for line in said]
