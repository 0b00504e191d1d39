"""What the page of a run knows of one cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tlbench.report import text
from tlbench.report.compared import difference, p_value
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.results.records import Record

STAGES = (
    ("load_seconds", "Load"), ("features_seconds", "Feature extraction"), ("compile_seconds", "Compile"),
    ("train_seconds", "Train"), ("validate_seconds", "Validate"), ("evaluate_seconds", "Evaluate"),
    ("robustness_seconds", "Robustness"), ("save_seconds", "Save"), ("measure_seconds", "Measure"),
)  # fmt: skip
"""The parts of a trial's time, in their order, and what a reader calls them."""


def cell_document(table: DatasetTable, number: int) -> dict[str, Any]:
    """A row of a table: its names, figures as numbers and as texts, verdict, seeds, stages of its time."""
    row, group = table.rows[number], table.group(number)
    beside = None if group is None or number == group.numbers[0] else group.with_best(number)
    verdict = "" if group is None else "best" if beside is None else beside.verdict
    hidden = {each.name: text.figure(row.figures[each.name], each.unit) for each in row.columns if not each.tables}
    names = {"backbone": row.backbone, "strategy": row.strategy, "weights": text.weights(row.cell)}
    return {
        "id": row.records[0].trial.cell_id,
        "name": pair(row),
        "texts": names | {"device": row.cell.device, "status": row.status},
        "rank": table.ranks.get(number, ""),
        "group": None if group is None else table.groups.index(group),
        "verdict": verdict if len(group.numbers if group else ()) > 1 else "",
        "beside": "" if beside is None else _beside(beside.difference, beside.p_value, row),
        "primary": None if row.primary is None else [row.primary.mean, row.primary.low, row.primary.high],
        "figures": dict(row.figures),
        "written": hidden | {name: each for name, each in text.cells(row).items() if name in row.figures},
        "best": [column for place, column in table.best if place == number],
        "seeds": [_seed(row, record) for record in row.records],
        "by_target": by_target(row),
        "stages": list(_stages(row)),
        "protocol": text.protocol(row.cell.protocol, row.cell.device),
    }


def _beside(found: Any, chance: float | None, row: Row) -> str:
    said = difference(found.value, found.interval, row.metric.unit)
    return ", ".join(filter(None, [said, p_value(chance)]))


def _seed(row: Row, record: Record) -> dict[str, Any]:
    return {
        "seed": record.trial.seed,
        "status": record.status,
        "value": text.figure(row.metric.value(record), row.metric.unit),
        "rate": record.learning_rate,
        "history": [[each.phase, each.epoch, each.train_loss, each.val] for each in record.history],
        "curves": {name: curve.points() for name, curve in record.curves.items()},
        "tuning": [[each.learning_rate, each.val, each.chosen] for each in record.tuning],
    }


def by_target(row: Row) -> dict[str, list[float | None]]:
    """Each metric of each class, label or target: its mean over the seeds that have it."""
    kept = [record.metrics.by_target for record in row.records if record.metrics]
    found = {}
    for name in dict.fromkeys(each for metrics in kept for each in metrics):
        columns = zip(*(metrics[name] for metrics in kept if name in metrics), strict=True)
        values = [[value for value in column if value is not None] for column in columns]
        found[name] = [sum(each) / len(each) if each else None for each in values]
    return found


def _stages(row: Row) -> Iterator[tuple[str, float]]:
    """The seconds of each part of the first good seed."""
    first = next((record for record in row.records if record.cost), None)
    cost = None if first is None else first.cost
    if first is not None and first.source is not None and first.source.train_seconds is not None:
        yield "Train on the source", first.source.train_seconds
    for name, said in STAGES if cost is not None else ():
        if seconds := getattr(cost, name):
            yield said, seconds


def failures(row: Row) -> Iterator[dict[str, Any]]:
    """The seeds of a row that did not end well, with their messages and tracebacks."""
    for record in row.records:
        if record.status != "ok":
            error = record.error
            yield {
                "cell": pair(row),
                "seed": record.trial.seed,
                "status": record.status,
                "message": error.message if error else "",
                "type": error.type if error else "",
                "traceback": (error.traceback if error else None) or "",
            }
