"""From records to the rows of a comparison: one a cell, its seeds summed up, the best of each column found."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tlbench.plan import Cell
from tlbench.records import Cost, FeaturesRecord, Metrics, Record
from tlbench.stats import Estimate, estimate

COLUMNS: dict[str, Callable[[Sequence[float]], float]] = {
    "accuracy": max,
    "train_seconds": min,
    "step_ms": min,
    "images_per_second": max,
    "peak_memory_bytes": min,
    "trainable_parameters": min,
}
"""The measured columns, and which of their values is best."""
CHANCE = 1.05
"""Up to how many times one class's share counts as chance."""


@dataclass(frozen=True)
class Row:
    """A cell in the table. Costs are medians over its seeds; what no seed measured is None. `learning_rates` are those
    that its seeds trained with.

    `train_seconds` has the features in it, as if the cell had computed them alone; `on_features` says that steps were
    fed with features of a frozen prefix, so that what is measured of a step is of the rest of the model; `attributed`
    that the costs are told from a head by itself, where many were trained in one product; `concurrent_trials` how many
    trials ran at once at most, and disturbed its timings. `compile_seconds` is what was spent on compilation,
    `compiled` whether any steps ran compiled. `at_chance` of its seeds have learned nothing, `done` have ended well.
    """

    cell: Cell
    accuracy: Estimate | None
    train_seconds: float | None
    step_ms: float | None
    images_per_second: float | None
    peak_memory_bytes: float | None
    trainable_parameters: float | None
    status: str
    reasons: tuple[str, ...]
    learning_rates: tuple[float, ...] = ()
    on_features: bool = False
    attributed: bool = False
    concurrent_trials: int = 1
    compile_seconds: float | None = None
    compiled: bool = False
    at_chance: int = 0
    done: int = 0

    @property
    def comparable(self) -> tuple[str, ...]:
        """Rows with equal keys may be ranked: the same images and protocol, and as good a start.

        A cell that wanted pretrained weights and got random ones is never ranked beside one that has them; from
        scratch on purpose is what transfer is measured against, so it is.
        """
        fallback = self.cell.weights.kind == "random" and self.cell.weights.reason != "strategy"
        start = "random" if fallback else "as-intended"
        protocol = self.cell.protocol
        own = {"precision", "memory_format"} if protocol.auto_precision else set()
        return (self.cell.dataset, self.cell.device, protocol.model_dump_json(exclude=own), start)

    def value(self, column: str) -> float | None:
        """A measured column as a number."""
        measured = getattr(self, column)
        return measured.mean if isinstance(measured, Estimate) else measured


def rows(records: Iterable[Record]) -> list[Row]:
    """A row for each cell, in the order in which the cells first appear."""
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        by_cell.setdefault(record.trial.cell_id, []).append(record)
    return [_row(group) for group in by_cell.values()]


def by_dataset(records: Iterable[Record]) -> dict[str, list[Row]]:
    """The rows of each dataset's table."""
    tables: dict[str, list[Row]] = {}
    for row in rows(records):
        tables.setdefault(row.cell.dataset, []).append(row)
    return tables


def best(table: Sequence[Row]) -> set[tuple[int, str]]:
    """Which places (row number, column) hold the best value among at least two comparable rows."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(table):
        groups.setdefault(row.comparable, []).append(number)
    places: set[tuple[int, str]] = set()
    for column, choose in COLUMNS.items():
        for numbers in groups.values():
            values = {number: value for number in numbers if (value := table[number].value(column)) is not None}
            if len(values) > 1 and len(set(values.values())) > 1:
                winner = choose(list(values.values()))
                places |= {(number, column) for number, value in values.items() if value == winner}
    return places


def _row(group: list[Record]) -> Row:
    done = [record for record in group if record.status == "ok"]
    accuracies = [record.metrics.accuracy for record in done if record.metrics]
    costs = [record.cost for record in done if record.cost]

    def median(read: Callable[[Cost], float | None]) -> float | None:
        values = [value for cost in costs if (value := read(cost)) is not None]
        return statistics.median(values) if values else None

    return Row(
        cell=group[0].trial.cell,
        accuracy=estimate(accuracies) if accuracies else None,
        train_seconds=median(lambda cost: cost.train_seconds + (cost.features_seconds or 0.0)),
        step_ms=median(lambda cost: cost.step_ms.median if cost.step_ms else None),
        images_per_second=median(lambda cost: cost.images_per_second),
        peak_memory_bytes=median(lambda cost: cost.peak_memory_bytes),
        trainable_parameters=median(lambda cost: cost.trainable_parameters),
        status=_status(group),
        reasons=tuple(_reason(record) for record in group if record.status != "ok"),
        learning_rates=tuple(sorted({rate for record in done if (rate := record.learning_rate) is not None})),
        on_features=any(features is not None and features.used for cost in costs for features in _features(cost)),
        attributed=any(cost.basis == "attributed" for cost in costs),
        concurrent_trials=max((cost.concurrent_trials for cost in costs), default=1),
        compile_seconds=median(lambda cost: cost.compile_seconds),
        compiled=any(phase.compile is not None and phase.compile.used for cost in costs for phase in cost.phases),
        at_chance=sum(_at_chance(record.metrics) for record in done if record.metrics),
        done=len(done),
    )


def _at_chance(metrics: Metrics) -> bool:
    """Whether predictions are as good as one class for all images: 1/K of K classes on average."""
    classes = [each for each in metrics.per_class_accuracy or () if each is not None]
    return len(classes) > 1 and statistics.fmean(classes) <= CHANCE / len(classes)


def _features(cost: Cost) -> list[FeaturesRecord | None]:
    return [*(phase.features for phase in cost.phases), *(solve.features for solve in cost.solves)]


def _status(group: list[Record]) -> str:
    counts = Counter(record.status for record in group)
    if len(counts) == 1:
        return group[0].status
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def _reason(record: Record) -> str:
    error = record.error
    if error is None:
        return f"seed {record.trial.seed}: {record.status}"
    where = "" if error.step is None else f" (phase {error.phase}, step {error.step})"
    return f"seed {record.trial.seed}: {record.status}: {error.message}{where}"
