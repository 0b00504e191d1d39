"""A comparison in a terminal, in a log, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlbench.compare.changes import Comparison
from tlbench.compare.gates import Judgement
from tlbench.compare.shown import HEADINGS, lines, notes
from tlbench.report.documents import markdown_text
from tlbench.words import one_line, printable

STYLES = {"better": "green", "worse": "red", "missing": "yellow", "new": "cyan"}


def print_comparison(
    comparison: Comparison, judgements: Sequence[Judgement], only_changed: bool, console: Console
) -> None:
    """The table of changes, and the notes under it."""
    console.print(Text(one_line(f"{comparison.base.name} (base) and {comparison.head.name} (head)"), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in HEADINGS:
        table.add_column(
            heading, justify="right" if heading in ("Base", "Head", "Change", "p") else "left", overflow="fold"
        )
    found = list(lines(comparison, judgements, only_changed))
    for line in found:
        *cells, verdict = map(one_line, line)
        table.add_row(*map(Text, cells), Text(verdict, style=STYLES.get(verdict, "")))
    console.print(table if found else Text("nothing has changed"))
    for note in notes(comparison, judgements):
        console.print(Text(printable(note), style="dim"), soft_wrap=not console.is_terminal)


def to_markdown(comparison: Comparison, judgements: Sequence[Judgement], only_changed: bool) -> str:
    """The same as Markdown; what has changed is bold."""
    found = [
        "| " + " | ".join(HEADINGS) + " |",
        "| " + " | ".join("---" for _ in HEADINGS) + " |",
    ]
    for line in lines(comparison, judgements, only_changed):
        *cells, verdict = (markdown_text(each).replace("|", "\\|") for each in line)
        found.append("| " + " | ".join([*cells, f"**{verdict}**" if verdict in STYLES else verdict]) + " |")
    return "\n".join([*found, "", *(f"{markdown_text(line)}  " for line in notes(comparison, judgements))])
