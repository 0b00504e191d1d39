"""What a table answers, in sentences: the best cell, what ties with it, the cheapest of these, the Pareto fronts."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.contracts.task import merit
from tlbench.report import text
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable, Group
from tlbench.words import listed

TRAIN = "train_with_features_seconds"
COSTS = {
    TRAIN: "training time",
    "peak_memory_bytes": "memory",
    "inference_images_per_second": "inference speed",
}
"""Columns that a Pareto front against the metric is told of."""


def answer(table: DatasetTable) -> list[str]:
    """The sentences, for the largest group of rows that may be ranked; one that says why, where there is none."""
    group = table.largest
    if group is None:
        return ["No cell may be ranked: see the status of each, and the failures."]
    best = table.rows[group.numbers[0]]
    ties = [table.rows[number] for number in group.numbers[1:] if _as_good(group, number)]
    return [
        f"Best is {pair(best)} with {text.metric(best.primary, best.metric.unit)} {best.metric.heading.lower()}"
        f"{_others(group, ties)}.",
        *_cheapest([best, *ties]),
    ]


def fronts(table: DatasetTable) -> list[str]:
    """The Pareto fronts of the metric against costs, for the same group; those of the same rows in one sentence."""
    group = table.largest
    if group is None:
        return []
    rows = [table.rows[number] for number in group.numbers]
    found: dict[tuple[str, ...], list[str]] = {}
    for column, name in COSTS.items():
        if front := pareto(rows, column):
            found.setdefault(tuple(map(pair, front)), []).append(name)
    heading = rows[0].metric.heading
    return [
        f"{heading} against {' and '.join(names)}, Pareto front: {listed(list(cells), 6)}."
        for cells, names in found.items()
    ]


def _as_good(group: Group, number: int) -> bool:
    """Whether a row ties with the best, or is practically equal to it."""
    return group.alike(number, group.numbers[0]) or group.with_best(number).verdict == "practically equal"


def _others(group: Group, ties: list[Row]) -> str:
    if len(group.numbers) < 2:
        return ""
    if not ties:
        return ", and every other cell is worse"
    return f"; {listed([pair(row) for row in ties], 4)} {'ties' if len(ties) == 1 else 'tie'} with it"


def _cheapest(alike: list[Row]) -> Iterator[str]:
    """The row that trains fastest among those that are as good as the best."""
    timed = [row for row in alike if row.figures[TRAIN] is not None]
    if len(timed) > 1:
        fastest = min(timed, key=lambda row: row.figures[TRAIN] or 0.0)
        yield f"Of these, {pair(fastest)} trains fastest, in {text.seconds(fastest.figures[TRAIN])}."


def pareto(rows: list[Row], column: str) -> list[Row]:
    """The rows that no other row beats in both the primary metric and a cost, from the cheapest."""
    have = [row for row in rows if row.figures[column] is not None]
    better = next((each.better for row in have for each in row.columns if each.name == column), None) or "lower"
    front: list[Row] = []
    for row in sorted(have, key=lambda row: (-merit(better, row.figures[column]), -_merit(row))):
        if not front or _merit(row) > _merit(front[-1]):
            front.append(row)
    return front


def _merit(row: Row) -> float:
    return merit(row.metric.better or "higher", row.figures[row.metric.name])
