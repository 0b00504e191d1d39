"""What a table says of models beyond their test set: what its columns were measured on, and the curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from tlbench.report import text
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.results.column import Column
from tlbench.results.columns import CORRUPTED, MetricColumn, heading_of
from tlbench.words import counted, listed


def robustness_notes(table: Sequence[Row]) -> Iterator[str]:
    """What the columns of corruptions and other datasets were measured on, and what to know of these."""
    headings = {column.heading for column in text.shown(table[0]) if isinstance(column, MetricColumn)}
    metric = text.in_a_sentence(_primary(table[0]).heading)
    if any(column.name == CORRUPTED for column in text.shown(table[0])):
        yield from _corruptions(table, metric)
    for plan, target in {each.dataset: (each, row.cell.dataset) for row in table for each in row.cell.test_on}.values():
        if (heading := heading_of(plan.dataset)) in headings:
            images = counted(plan.test_images, "test image")
            yield f"{heading}: {metric} on the {images} of {plan.dataset} (docs/robustness.md)."
        if plan.train_images_shared:
            yield f"Warning: {plan.leak_from(target)}."


def _corruptions(table: Sequence[Row], metric: str) -> Iterator[str]:
    """What the column is a mean of, for each set of corruptions that rows have."""
    sets: dict[tuple[str, ...], dict[str, None]] = {}
    for row in table:
        if row.cell.corruptions:
            sets.setdefault(tuple(row.cell.corruptions), {})[pair(row)] = None
    for names, rows in sets.items():
        which = f" of {listed(list(rows), 4)}" if len(sets) > 1 else ""
        yield (
            f"Corrupted{which}: mean {metric} on the test images under {listed(names)} at severities 1 to 5 "
            "(docs/robustness.md)."
        )


def curves(row: Row) -> Iterator[str]:
    """The primary metric of test by severity, under each corruption and under all: means over the seeds."""
    kept = [record.corruptions for record in row.records if record.corruptions is not None]
    for name in kept[0].by_corruption if kept else ():
        yield f"{pair(row)}, {name}: {_curve([each.by_corruption[name] for each in kept], row)}"
    if kept:
        yield f"{pair(row)}, mean: {_curve([each.by_severity for each in kept], row)}"


def _curve(of_seeds: Sequence[Sequence[float | None]], row: Row) -> str:
    columns = [[value for value in column if value is not None] for column in zip(*of_seeds, strict=True)]
    return ", ".join(text.figure(fmean(each) if each else None, _primary(row).unit) for each in columns)


def _primary(row: Row) -> Column:
    """The column of the task's primary metric, also where a table is ranked by another."""
    names = {record.metrics.primary for record in row.records if record.metrics is not None}
    return next((column for column in row.columns if column.name in names), row.metric)
