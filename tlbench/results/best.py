"""Which saved models a run keeps: those of the best cell of each dataset, chosen on val."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence

from tlbench.contracts.task import merit
from tlbench.plan.plan import Plan
from tlbench.results.records import Record
from tlbench.results.store import RunFolder


def best_cells(records: Sequence[Record], plan: Plan) -> dict[str, str]:
    """By dataset, the cell with the best mean of the primary metric on val over its good seeds."""
    by_cell: dict[str, list[float]] = {}
    datasets: dict[str, str] = {}
    for record in records:
        metrics = record.metrics
        value = None if metrics is None or record.status != "ok" else metrics.val.get(metrics.primary)
        if metrics is not None and value is not None:
            better = plan.tasks[record.trial.cell.task].primary_metric.better
            by_cell.setdefault(record.trial.cell_id, []).append(merit(better, value))
            datasets[record.trial.cell_id] = record.trial.cell.dataset
    best: dict[str, str] = {}
    for cell, values in by_cell.items():
        dataset = datasets[cell]
        if dataset not in best or statistics.fmean(values) > statistics.fmean(by_cell[best[dataset]]):
            best[dataset] = cell
    return best


def keep_best_models(folder: RunFolder, records: Sequence[Record], plan: Plan) -> None:
    """Remove the saved models of all other cells, once no trial of the run is left to run."""
    if {record.trial.id for record in records} < set(plan.trial_ids()):
        return  # a run that goes on may have another best cell
    best = set(best_cells(records, plan).values())
    for record in records:
        if record.trial.cell_id not in best:
            shutil.rmtree(folder.model(record.trial.id), ignore_errors=True)
