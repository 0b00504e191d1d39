"""A run as a document: JSON, Markdown or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from tlbench.plan.plan import Plan
from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.footer import MARKED, footer, heading
from tlbench.report.over_datasets import OverDatasets, over_datasets
from tlbench.report.pivot import Pivot
from tlbench.report.rows import Columns
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.records import Record
from tlbench.words import one_line, printable

FORMULA = tuple("=+-@")
"""What a spreadsheet's formulas begin with; a text that does gets an apostrophe before it."""
NESTED = ("memory",)
"""Parts of a cost that have figures of their own, and are null where nothing was measured."""


def to_json(plan: Plan, records: Iterable[Record]) -> str:
    """The run's name and all of its records."""
    document = {"run": plan.name, "records": [record.model_dump(mode="json") for record in records]}
    return json.dumps(document, indent=1)


def to_markdown(data: ReportData) -> str:
    """The comparison tables; the best values, and those not told apart from them, bold."""
    found = tables(data)
    return "\n\n".join([*map(_table, found), *map(_over_datasets, over_datasets(found))])


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
    lines = [f"**{found.heading}**", "", *markdown_head(found.HEADINGS), *map(markdown_line, found.lines())]
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
    writer.writerows({name: csv_field(value) for name, value in line.items()} for line in flat)
    return file.getvalue().rstrip("\n")


def markdown_text(content: str) -> str:
    """A text as one line of Markdown, in which no tag begins."""
    return one_line(content).replace("<", "&lt;")


def csv_field(value: object) -> object:
    """A text that no spreadsheet takes for a formula, and no terminal for a command."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.lstrip()[:1] in FORMULA else printable(value)


def flatten(record: Record, columns: Columns) -> dict[str, Any]:
    """A record as one flat row: what was compared, its status, every column, all other figures, and why it failed."""
    cell = record.trial.cell
    row: dict[str, Any] = {
        "trial": record.trial.id,
        "backbone": cell.backbone,
        "dataset": cell.dataset,
        "strategy": cell.strategy,
        "seed": record.trial.seed,
        "device": cell.device,
        "status": record.status,
        "weights": record.weights.kind,
        "weights_reason": record.weights.reason,
        "learning_rate": record.learning_rate or cell.learning_rate,
        "tuned_rates": " ".join(f"{rate:g}" for rate in cell.tuned_rates) or None,
    }
    row |= cell.protocol.model_dump(exclude={"vary"}) | {"vary": " ".join(cell.protocol.vary)}
    row |= {"task": cell.task, "primary_metric": record.metrics.primary if record.metrics else None}
    parts: dict[str, Any] = {}
    if record.metrics is not None:
        parts |= {f"val_{name}": value for name, value in record.metrics.val.items()}
        parts |= record.metrics.model_dump(include={"chance", "at_chance", "train_loss"})
    for part in (record.data, record.cost):
        if part is not None:
            parts |= _flat(part.model_dump())
    parts["error"] = record.error.message if record.error else None
    own = {column.name: column.value(record) for column in columns(cell.task)}
    return row | {name: value for name, value in own.items() if name not in row and name not in parts} | parts


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested figures under joined names; lists (of phases, of classes) are left to the JSON document."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{inner}": each for inner, each in value.items()}
        elif not isinstance(value, list) and name not in NESTED:
            flat[name] = value
    return flat
