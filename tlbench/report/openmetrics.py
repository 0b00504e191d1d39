"""A run as OpenMetrics text, which Prometheus and GitLab's metrics report read: a line for each cell and figure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from tlbench.report.data import ReportData
from tlbench.report.rows import Row
from tlbench.results.column import Column
from tlbench.words import one_line

NAMED_UNITS = {"seconds": "seconds", "bytes": "bytes", "joules": "joules"}
"""Units that a figure's name ends with, and the format has a line for."""


def to_openmetrics(data: ReportData) -> str:
    """A gauge for each figure, the medians over seeds of its cells (of a metric, the means); without a last newline.

    Labels have no spaces between them: GitLab splits a line as a shell does.
    """
    rows = data.rows()
    families: dict[str, tuple[Column, dict[str, float]]] = {}
    for row, label in zip(rows, _labels(rows), strict=True):
        for column in row.columns:
            if (value := row.figures[column.name]) is not None:
                _, samples = families.setdefault(_name(column.name), (column, {}))
                samples.setdefault(label, value)
    lines = []
    for name, (column, samples) in families.items():
        lines += [f"# TYPE {name} gauge"]
        if name.endswith(f"_{NAMED_UNITS.get(column.unit)}"):
            lines.append(f"# UNIT {name} {NAMED_UNITS[column.unit]}")
        lines += [f"# HELP {name} {_escaped(column.description)}"] if column.description else []
        lines += [f"{name}{{{label}}} {value!r}" for label, value in samples.items()]
    return "\n".join([*lines, "# EOF"])


def _labels(rows: list[Row]) -> list[str]:
    """What names each row; its cell's id, too, where two rows would have one name."""
    named = [
        {
            "backbone": row.cell.backbone,
            "strategy": row.cell.strategy,
            "dataset": row.cell.dataset,
            "device": row.cell.device,
        }
        for row in rows
    ]
    times = Counter(_written(each) for each in named)
    return [
        _written(each if times[_written(each)] == 1 else each | {"cell": row.cell.id})
        for row, each in zip(rows, named, strict=True)
    ]


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _name(column: str) -> str:
    """A column's name as the format has names: letters, digits and _ alone."""
    return f"tlbench_{re.sub(r'[^a-zA-Z0-9_]', '_', column)}"


def _escaped(text: str) -> str:
    """A text in one line, with the characters escaped that would end it."""
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')
