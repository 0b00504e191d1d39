"""From records to the rows of a comparison: one a cell, its seeds summed up, the best of each column found."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tlbench.plan.cell import Cell
from tlbench.report.short import short_names
from tlbench.results.records import Cost, DataRecord, FeaturesRecord, Metrics, PhaseCost, Record
from tlbench.stats import Correct, Estimate, accuracy_interval, differ, differ_unpaired

COLUMNS: dict[str, Callable[[Sequence[float]], float]] = {
    "accuracy": max,
    "train_seconds": min,
    "images_per_second": max,
    "peak_memory_bytes": min,
    "inference_images_per_second_one": max,
    "inference_images_per_second": max,
    "trainable_parameters": min,
}
"""The measured columns that are ranked, and which of their values is best."""
Examples = Callable[[Record], Correct | None]
"""Which test examples a record's trial predicted correctly; None where its predictions are not at hand."""
CHANCE = 1.05
"""Up to how many times one class's share counts as chance."""


@dataclass(frozen=True)
class Row:
    """A cell in the table. Costs are medians over its seeds; what no seed measured is None. `learning_rates` are those
    that its seeds trained with. `backbone` and `strategy` are short names, qualified where two plugins share one.

    All costs are as if the cell had run alone: `train_seconds` includes the features of a frozen part, and
    `images_per_second` is of all of it. `on_features` says that there were such features; `attributed` that the costs
    are estimated from one head by itself, where many were trained together; `concurrent_trials` how many trials
    ran at once at most, and disturbed its timings. `compile_seconds` is what was spent on compilation, `compiled`
    whether any steps ran compiled. `at_chance` of its seeds have learned nothing, `done` have ended well. `passes` is
    the training spent, in units of the protocol's epochs; `phases` are the first good seed's. `correct` has by seed
    which test examples were predicted correctly, `load_per_core` the largest that a trial began with, `ranges` the
    lowest and highest value of each cost over the seeds.
    """

    cell: Cell
    backbone: str
    strategy: str
    accuracy: Estimate | None
    train_seconds: float | None
    images_per_second: float | None
    peak_memory_bytes: float | None
    inference_images_per_second_one: float | None
    inference_images_per_second: float | None
    trainable_parameters: float | None
    passes: float | None
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
    data: DataRecord | None = None
    load_per_core: float | None = None
    phases: tuple[PhaseCost, ...] = ()
    correct: Mapping[int, Correct] = field(default_factory=dict, compare=False, repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def test_images(self) -> int | None:
        """How many images the accuracy was measured on."""
        return None if self.data is None else self.data.test_images

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
        exclude = own | {"asked_batch_size", "asked_memory_format"}
        return (self.cell.dataset, self.cell.device, protocol.model_dump_json(exclude=exclude), start)

    @property
    def can_be_best(self) -> bool:
        """Whether the row may be marked: not with random weights in place of pretrained ones, or at chance."""
        return self.cell.weights.reason != "unavailable" and self.at_chance < self.done

    def value(self, column: str) -> float | None:
        """A measured column as a number."""
        measured = getattr(self, column)
        return measured.mean if isinstance(measured, Estimate) else measured


def rows(records: Iterable[Record], examples: Examples) -> list[Row]:
    """A row for each cell, in the order in which the cells first appear."""
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        by_cell.setdefault(record.trial.cell_id, []).append(record)
    cells = [group[0].trial.cell for group in by_cell.values()]
    names = short_names(ref for cell in cells for ref in (cell.backbone, cell.strategy))
    return [_row(group, names, examples) for group in by_cell.values()]


def by_dataset(records: Iterable[Record], examples: Examples) -> dict[str, list[Row]]:
    """The rows of each dataset's table."""
    tables: dict[str, list[Row]] = {}
    for row in rows(records, examples):
        tables.setdefault(row.cell.dataset, []).append(row)
    return tables


def best(table: Sequence[Row]) -> set[tuple[int, str]]:
    """Which places (row number, column) hold the best value of comparable rows, or one not significantly different.

    Accuracies are compared in pairs (`stats.differ`); costs are alike where their ranges over the seeds overlap. Of a
    row alone, or of rows that are all equal, none is marked.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(table):
        if row.can_be_best:
            groups.setdefault(row.comparable, []).append(number)
    places: set[tuple[int, str]] = set()
    for column, choose in COLUMNS.items():
        for numbers in groups.values():
            values = {number: value for number in numbers if (value := table[number].value(column)) is not None}
            if len(set(values.values())) > 1:
                winner = table[next(number for number in values if values[number] == choose(list(values.values())))]
                places |= {(number, column) for number in values if _alike(table[number], winner, column)}
    return places


def _alike(row: Row, winner: Row, column: str) -> bool:
    """Whether a row's value is not significantly different from the best one."""
    if row.value(column) == winner.value(column):
        return True
    if column != "accuracy":
        (low, high), (lowest, highest) = row.ranges[column], winner.ranges[column]
        return low <= highest and lowest <= high
    if row.correct.keys() & winner.correct.keys():
        return not differ(winner.correct, row.correct)
    assert row.accuracy is not None and winner.accuracy is not None
    return not differ_unpaired(winner.accuracy, row.accuracy)


READ: dict[str, Callable[[Cost], float | None]] = {
    "train_seconds": lambda cost: cost.train_seconds + (cost.features_seconds or 0.0),
    "images_per_second": lambda cost: cost.images_per_second,
    "peak_memory_bytes": lambda cost: cost.peak_memory_bytes,
    "inference_images_per_second_one": lambda cost: cost.inference_images_per_second_one,
    "inference_images_per_second": lambda cost: cost.inference_images_per_second,
    "trainable_parameters": lambda cost: cost.trainable_parameters,
    "passes": lambda cost: cost.passes,
    "compile_seconds": lambda cost: cost.compile_seconds,
}
"""How the costs of a row are read."""


def _row(group: list[Record], names: Mapping[str, str], examples: Examples) -> Row:
    done = [record for record in group if record.status == "ok"]
    costs = [record.cost for record in done if record.cost]
    values = {name: [value for cost in costs if (value := read(cost)) is not None] for name, read in READ.items()}
    medians = {name: statistics.median(found) if found else None for name, found in values.items()}
    correct = {record.trial.seed: found for record in done if (found := examples(record)) is not None}
    at_chance = sum(_at_chance(record.metrics) for record in done if record.metrics)
    cell = group[0].trial.cell
    return Row(
        cell=cell,
        backbone=names[cell.backbone],
        strategy=names[cell.strategy],
        accuracy=_accuracy(done, correct),
        **medians,
        status=_status(group, at_chance),
        reasons=tuple(_reason(record) for record in group if record.status != "ok"),
        learning_rates=tuple(sorted({rate for record in done if (rate := record.learning_rate) is not None})),
        on_features=any(features is not None and features.used for cost in costs for features in _features(cost)),
        attributed=any(cost.basis == "attributed" for cost in costs),
        concurrent_trials=max((cost.concurrent_trials for cost in costs), default=1),
        compiled=any(phase.compile is not None and phase.compile.used for cost in costs for phase in cost.phases),
        at_chance=at_chance,
        done=len(done),
        load_per_core=max((load for record in done if (load := _load(record)) is not None), default=None),
        data=next((record.data for record in done if record.data), None),
        phases=tuple(costs[0].phases) if costs else (),
        correct=correct,
        ranges={name: (min(found), max(found)) for name, found in values.items() if found},
    )


def _load(record: Record) -> float | None:
    """The system's load per core as the trial began; with several trials at once, it says nothing of other work."""
    environment = record.environment or {}
    load, cores = environment.get("load_average"), environment.get("usable_cores")
    several = record.cost is not None and record.cost.concurrent_trials > 1
    return None if several or load is None or not cores else load / cores


def _accuracy(done: list[Record], correct: Mapping[int, Correct]) -> Estimate | None:
    accuracies = [record.metrics.accuracy for record in done if record.metrics]
    if not accuracies:
        return None
    images = min((record.data.test_images for record in done if record.data), default=None)
    whole = len(correct) == len(accuracies) and len({len(each) for each in correct.values()}) == 1
    return accuracy_interval(accuracies, images, list(correct.values()) if whole else None)


def _at_chance(metrics: Metrics) -> bool:
    """Whether predictions are as good as one class for all images: 1/K of K classes on average."""
    classes = [each for each in metrics.per_class_accuracy or () if each is not None]
    return len(classes) > 1 and statistics.fmean(classes) <= CHANCE / len(classes)


def _features(cost: Cost) -> list[FeaturesRecord | None]:
    return [*(phase.features for phase in cost.phases), *(solve.features for solve in cost.solves)]


def _status(group: list[Record], at_chance: int) -> str:
    """How the seeds ended; `at-chance` and `nothing-trained` are said of trials that ended well."""
    if all(record.status == "ok" and record.cost and not record.cost.trained for record in group):
        return "nothing-trained"
    if at_chance == len(group):
        return "at-chance"
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
