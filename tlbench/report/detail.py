"""What `--detail` adds below a table: choices and times of steps, row by row."""

from __future__ import annotations

from tlbench.report import text
from tlbench.report.compared import beside_the_best
from tlbench.report.names import pair
from tlbench.report.robustness import curves
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.results.columns import MetricColumn
from tlbench.results.costs import PhaseCost
from tlbench.words import counted


def detail(found: DatasetTable) -> list[str]:
    """Each row beside the best, metrics, curves, chosen rates, BatchNorm statistics, features, steps' times."""
    table = found.rows
    lines = [*beside_the_best(found)]
    if metrics := [said for row in table if (said := _metrics(row))]:
        lines += ["Metrics on test:", *(f"  {said}" for said in metrics)]
    if corrupted := [line for row in table for line in curves(row)]:
        lines += ["Under corruptions, at severities 1 to 5:", *(f"  {line}" for line in corrupted)]
    if tuned := [row for row in table if row.cell.tuned_rates]:
        lines += ["Learning rates, as each seed chose them:", *(f"  {_chosen(row)}" for row in tuned)]
    if statistics := [said for row in table if (said := _statistics(row))]:
        lines += ["BatchNorm statistics:", *(f"  {said}" for said in statistics)]
    if cached := dict.fromkeys(pair(row) for row in table if row.on_features):
        lines += ["Features of a frozen part, computed once and trained on:", *(f"  {name}" for name in cached)]
    lines += ["Steps:", *(f"  {_step(row, phase)}" for row in table for phase in row.phases if phase.step_ms)]
    return lines


def _metrics(row: Row) -> str:
    """Every metric of a row."""
    found = [(each, row.figures[each.name]) for each in row.columns if isinstance(each, MetricColumn)]
    said = ", ".join(f"{each.heading} {text.figure(value, each.unit)}" for each, value in found if value is not None)
    return f"{pair(row)}: {said}" if said else ""


def _chosen(row: Row) -> str:
    tried = ", ".join(f"{rate:g}" for rate in row.cell.tuned_rates)
    found = " or ".join(f"{rate:g}" for rate in row.learning_rates) or text.NOTHING
    return f"{pair(row)}: {found} (of {tried})"


def _statistics(row: Row) -> str:
    """Whether a row's BatchNorm statistics moved; of several phases, what each did."""
    found = dict.fromkeys(phase.batchnorm.statistics for phase in row.phases if phase.batchnorm is not None)
    return f"{pair(row)}: {', then '.join(found)}" if found else ""


def _step(row: Row, phase: PhaseCost) -> str:
    assert phase.step_ms is not None
    said = (
        f"{pair(row)}, phase {phase.phase}: {counted(phase.steps, 'step')}, {text.milliseconds(phase.step_ms.median)}"
    )
    said += f" ({text.milliseconds(phase.step_ms.p05)} to {text.milliseconds(phase.step_ms.p95)})"
    if phase.features is not None and phase.features.used:
        said += " on features"
    if phase.parts_ms is not None:
        parts = ", ".join(f"{name} {text.milliseconds(value)}" for name, value in phase.parts_ms.model_dump().items())
        said += f"; {parts}"
    return said
