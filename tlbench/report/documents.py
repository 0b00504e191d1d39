"""A run as a document: JSON, Markdown or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from tlbench.plan.plan import Plan
from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.footer import MARKED, footer, heading
from tlbench.report.over_datasets import OverDatasets, over_datasets
from tlbench.report.pivot import Pivot
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.flat import Columns, flatten
from tlbench.results.records import Record
from tlbench.words import one_line, spreadsheet_field


def to_json(plan: Plan, records: Iterable[Record]) -> str:
    """The run's name and all of its records."""
    document = {"run": plan.name, "records": [record.model_dump(mode="json") for record in records]}
    return json.dumps(document, indent=1)


def to_markdown(data: ReportData) -> str:
    """The comparison tables; the best values, and those not told apart from them, bold."""
    found = tables(data)
    return "\n\n".join([*map(_table, found), *map(_over_datasets, over_datasets(found, data.suites))])


def _table(table: DatasetTable) -> str:
    headings = text.headings(table)
    lines = [f"**{markdown_text(heading(table))}**", ""]
    lines += [line for each in text.equal_line(table) for line in (markdown_text(each), "")]
    lines += markdown_head(headings.values())
    for number, row in enumerate(text.lines(table)):
        cells = {name: _cell(row[name]) for name in headings}
        shown = (f"**{cells[name]}**" if (number, name) in table.best else cells[name] for name in headings)
        lines.append("| " + " | ".join(shown) + " |")
    notes = [*footer(table), *([f"Bold: {MARKED}"] if table.best else [])]
    return "\n".join([*lines, "", *(f"{markdown_text(line)}  " for line in notes)]).rstrip()


def _over_datasets(found: OverDatasets) -> str:
    lines = [f"**{found.heading}**", "", *markdown_head(found.columns.values()), *map(markdown_line, found.lines())]
    return "\n".join([*lines, "", *(f"{markdown_text(line)}  " for line in found.footer())]).rstrip()


def pivot_markdown(found: Pivot) -> str:
    """A table of a figure by two axes."""
    lines = [f"**{markdown_text(found.heading)}**", "", *markdown_head([found.down, *map(_cell, found.across)])]
    return "\n".join([*lines, *map(markdown_line, found.lines)])


def markdown_line(contents: Iterable[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(_cell, contents)) + " |"


def _cell(content: str) -> str:
    return markdown_text(content).replace("|", "\\|")


def markdown_head(headings: Iterable[str]) -> list[str]:
    """The first two lines of a table."""
    names = list(headings)
    return ["| " + " | ".join(names) + " |", "| " + " | ".join("---" for _ in names) + " |"]


def to_csv(records: Iterable[Record], columns: Columns) -> str:
    """A line for each trial, a column for each figure, null as an empty field."""
    flat = [flatten(record, columns) for record in records]
    names = list(dict.fromkeys(name for line in flat for name in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_field(value) for name, value in line.items()} for line in flat)
    return file.getvalue().rstrip("\n")


def markdown_text(content: str) -> str:
    """A text as one line of Markdown, in which no tag begins."""
    return one_line(content).replace("<", "&lt;")
