"""Warnings of rows that are not plausible: no better than a baseline, identical, far better on test than on val."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from tlbench.report import text
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.results.records import Record
from tlbench.stats import family
from tlbench.words import listed

FAR_ABOVE_VAL = 4.0
"""Standard errors: by chance, one of 30,000 rows is so far above val."""
AXES = ("backbone", "source_model", "strategy", "weights", "learning_rate", "tuned_rates", "protocol")
"""What of a cell is meant to change its result."""


def alarms(table: DatasetTable) -> list[str]:
    """A sentence for each row, or group of rows, that is not plausible."""
    found = (*_no_better_than_baseline(table), *_identical(table.rows), *_above_val(table.rows))
    return list(dict.fromkeys(found))


def _no_better_than_baseline(table: DatasetTable) -> Iterator[str]:
    """Rows that are not better than the best trivial baseline of the same images and protocol."""
    measured = [row for row in table.rows if row.primary is not None]
    trivial = [row for row in measured if row.cell.strategy in table.baselines]
    for row in measured:
        beside = [each for each in trivial if each.comparable[:2] == row.comparable[:2]]
        if row in trivial or not beside:
            continue
        better = row.metric.better or "higher"
        best = (max if better == "higher" else min)(beside, key=_mean)
        found = family([row.sample, best.sample], better).pair(0, 1)
        if found.verdict != "better" and not (found.verdict == "unknown" and _ahead(row, best)):
            beaten = text.metric(best.primary, best.metric.unit)
            yield f"Warning: {pair(row)} is no better than the baseline {best.strategy} ({beaten})."


def _identical(table: Sequence[Row]) -> Iterator[str]:
    """Results that are equal in every bit, although seeds, rates or cells differ that should matter."""
    for row in table:
        stepped = [record for record in row.records if record.history]
        equal = max(_alike(stepped), key=len, default=[])
        if len(equal) > 1:
            seeds = ", ".join(str(record.trial.seed) for record in equal)
            yield f"Warning: {pair(row)}: seeds {seeds} have bit-identical results; the seed has no effect."
        if rates := _equal_rates(row.records):
            named = ", ".join(f"{rate:g}" for rate in rates)
            yield f"Warning: {pair(row)}: learning rates {named} have bit-identical results; the rate has no effect."
    for equal in _alike([record for row in table for record in row.records if record.cost and record.cost.trained]):
        cells = {record.trial.cell_id: record for record in equal}
        if len(cells) > 1:
            rows = [row for row in table if row.records[0].trial.cell_id in cells]
            differ = [axis for axis in AXES if len({str(getattr(row.cell, axis)) for row in rows}) > 1]
            yield (
                f"Warning: {listed([pair(row) for row in rows], 6)} have bit-identical results, although they differ in"
                f" {' and '.join(differ or ['their options']).replace('_', ' ')}."
            )


def _alike(records: Iterable[Record]) -> list[list[Record]]:
    """Groups of records whose results are equal in every bit; those that have no continuous metric are in none."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        metrics = record.metrics
        if metrics is not None and not metrics.at_chance and any(_continuous(value) for value in metrics.test.values()):
            key = (*sorted(metrics.test.items()), *sorted(metrics.val.items()), metrics.train_loss)
            found.setdefault(key, []).append(record)
    return [group for group in found.values() if len(group) > 1]


def _continuous(value: float | None) -> bool:
    """Whether a value is no share of a few thousand examples, so that it is not equal by chance."""
    return value is not None and value != 0 and not any((value * n).is_integer() for n in (1, 1_000, 10_000))


def _equal_rates(records: Iterable[Record]) -> list[float]:
    """Different rates of a seed that gave the same val metric and the same val loss."""
    for record in records:
        by_result: dict[tuple[float | None, float], list[float]] = {}
        for each in record.tuning:
            if each.val_loss is not None:
                by_result.setdefault((each.val, each.val_loss), []).append(each.learning_rate)
        for rates in by_result.values():
            if len(set(rates)) > 1:
                return rates
    return []


def _above_val(table: Sequence[Row]) -> Iterator[str]:
    """Rows whose test metric is further above val's than the two samples explain."""
    for row in table:
        name = row.metric.name
        pairs = [
            (test, val)
            for record in row.records
            if record.metrics and (test := record.metrics.test.get(name)) and (val := record.metrics.val.get(name))
        ]
        if row.metric.unit != "share" or row.data is None or not pairs:
            continue
        test, val = (statistics.fmean(each) for each in zip(*pairs, strict=True))
        error = math.hypot(_error(test, row.data.test_images), _error(val, row.data.val_images))
        if test - val > FAR_ABOVE_VAL * error:
            yield (
                f"Warning: {pair(row)} has {100 * test:.1f}% on test and {100 * val:.1f}% on val; so far above val, "
                f"test is easier than val, or has images that were trained on."
            )


def _error(share: float, images: int) -> float:
    """The standard error of a share, two right and two wrong added (Agresti & Coull 1998)."""
    share = (share * images + 2) / (images + 4)
    return math.sqrt(share * (1 - share) / (images + 4))


def _mean(row: Row) -> float:
    assert row.primary is not None
    return row.primary.mean


def _ahead(row: Row, other: Row) -> bool:
    return (_mean(row) > _mean(other)) == (row.metric.better == "higher") and _mean(row) != _mean(other)
