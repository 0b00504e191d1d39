"""The comparison tables as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.footer import MARKED, footer, heading
from tlbench.report.over_datasets import over_datasets
from tlbench.report.tables import DatasetTable, tables
from tlbench.words import one_line

FIGURES = "text-align: right; white-space: nowrap"


def to_html_tables(data: ReportData) -> str:
    """A table for each dataset with its notes, and that of mean ranks; names and messages are escaped."""
    found = tables(data)
    parts = [_of_dataset(table) for table in found]
    for ranked in over_datasets(found, data.suites):
        body = [[(each, False) for each in line] for line in ranked.lines()]
        parts.append(_table(ranked.heading, ranked.columns.values(), body, ranked.footer()))
    return "\n".join(parts)


def _of_dataset(table: DatasetTable) -> str:
    headings = text.headings(table)
    body = [
        [(line[name], (number, name) in table.best) for name in headings]
        for number, line in enumerate(text.lines(table))
    ]
    notes = [*text.equal_line(table), *footer(table), *([f"Bold: {MARKED}"] if table.best else [])]
    return _table(heading(table), headings.values(), body, notes)


def _table(
    caption: str, headings: Iterable[str], body: Iterable[Iterable[tuple[str, bool]]], notes: Iterable[str]
) -> str:
    head = "".join(f'<th scope="col">{_escaped(each)}</th>' for each in headings)
    rows = "\n".join(f"<tr>{''.join(_cell(*each) for each in line)}</tr>" for line in body)
    said = "<br>\n".join(map(_escaped, notes))
    return (
        f"<table><caption>{_escaped(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
        f"\n<p><small>{said}</small></p>"
    )


def _cell(content: str, best: bool) -> str:
    escaped = f"<b>{_escaped(content)}</b>" if best else _escaped(content)
    return f'<td style="{FIGURES}">{escaped}</td>' if content[:1].isdigit() else f"<td>{escaped}</td>"


def _escaped(content: str) -> str:
    return escape(one_line(content))
