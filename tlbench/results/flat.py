"""A trial as one flat row: what CSV, pandas and trackers have of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tlbench.plan.cell import Cell, Protocol, Trial
from tlbench.results.column import Column
from tlbench.results.records import Record

Columns = Callable[[str], Sequence[Column]]
"""The columns of a task, the primary metric's first, by its qualified name."""
NESTED = ("memory",)
"""Parts of a cost that have figures of their own, and are null where nothing was measured."""
NO_FIGURES = {"seed", "learning_rate", *Protocol.model_fields}
"""Numbers that a trial is given: it does not measure them."""


def facts_of(trial: Trial) -> dict[str, Any]:
    """What is known of a trial before it runs: its cell, seed and protocol. None where something is open or off."""
    return _names(trial.id, trial.cell, trial.seed) | _settings(trial.cell)


def figures_of(row: Mapping[str, object]) -> dict[str, float]:
    """The metrics and costs of a flat row, as numbers; what was not measured is left out."""
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and name not in NO_FIGURES
        and math.isfinite(value)
    }


def flatten(record: Record, columns: Columns) -> dict[str, Any]:
    """A record as one flat row: what was compared, its status, every column, all other figures, and why it failed."""
    cell = record.trial.cell
    row = _names(record.trial.id, cell, record.trial.seed) | {"status": record.status} | _settings(cell)
    row["learning_rate"] = record.learning_rate or cell.learning_rate
    row["primary_metric"] = record.metrics.primary if record.metrics else None
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


def source_name(cell: Cell) -> str:
    """What the backbone has learned before: the name of a source dataset or saved model, else `published` or `none`."""
    return cell.source if cell.source_model is None else cell.source_model.name


def _names(trial_id: str, cell: Cell, seed: int) -> dict[str, Any]:
    return {
        "trial": trial_id,
        "backbone": cell.backbone,
        "source": source_name(cell),
        "dataset": cell.dataset,
        "strategy": cell.strategy,
        "seed": seed,
        "device": cell.device,
    }


def _settings(cell: Cell) -> dict[str, Any]:
    settings = {
        "weights": cell.weights.kind,
        "weights_reason": cell.weights.reason,
        "learning_rate": cell.learning_rate,
        "tuned_rates": " ".join(f"{rate:g}" for rate in cell.tuned_rates) or None,
    }
    settings |= cell.protocol.model_dump(exclude={"vary"}) | {"vary": " ".join(cell.protocol.vary)}
    return settings | {"task": cell.task}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested figures under joined names; lists (of phases, of classes) are left to the JSON document."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{inner}": each for inner, each in value.items()}
        elif not isinstance(value, list) and name not in NESTED:
            flat[name] = value
    return flat
