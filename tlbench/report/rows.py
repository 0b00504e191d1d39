"""From records to the rows of a comparison: one a cell, its seeds summed up, the best of each column found."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tlbench.plan.cell import Cell
from tlbench.report.short import backbone_name, names_of_cells
from tlbench.results.column import Column
from tlbench.results.costs import Cost, FeaturesRecord, PhaseCost
from tlbench.results.flat import Columns
from tlbench.results.machines import machine_of
from tlbench.results.records import DataRecord, Record
from tlbench.stats import Estimate, Sample, Scores, interval

Examples = Callable[[Record], Scores | None]
"""Each test example's share in the primary metric of a record's trial; None where its predictions are not at hand."""


@dataclass(frozen=True, repr=False)
class Row:
    """A cell in the table. `backbone` and `strategy` are short names, qualified where two plugins share one; a backbone
    that goes on from a source is named with it.

    `primary` is the primary metric over the seeds, `columns` are those of the table, and `figures` has by name the
    median of each over the seeds (the mean of a metric), None where no seed measured it; `ranges` has their lowest and
    highest value. `learning_rates` are those that its seeds trained with.

    `on_features` says that a frozen part's features were computed once; `attributed` that the costs are estimated from
    one head by itself, where many were trained together; `concurrent_trials` how many trials ran at once at most, and
    disturbed its timings. `compiled` says whether any steps ran compiled. `at_chance` of its seeds have learned
    nothing, `done` have ended well. `phases` are the first good seed's. `sample` is what `primary` is made of,
    `load_per_core` the largest load that a trial began with. `records` are those of all seeds. Of seeds that several
    `machines` have run, no time is given.
    """

    cell: Cell
    backbone: str
    strategy: str
    columns: tuple[Column, ...]
    primary: Estimate | None
    figures: Mapping[str, float | None]
    status: str
    reasons: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    learning_rates: tuple[float, ...] = ()
    on_features: bool = False
    attributed: bool = False
    concurrent_trials: int = 1
    compiled: bool = False
    at_chance: int = 0
    done: int = 0
    data: DataRecord | None = None
    load_per_core: float | None = None
    phases: tuple[PhaseCost, ...] = ()
    machines: tuple[str, ...] = ()
    sample: Sample = field(default_factory=lambda: Sample({}), compare=False)
    records: tuple[Record, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        said = f"{self.metric.name} {self.primary.mean:.4g}" if self.primary else self.status
        return f"<Row {self.backbone} × {self.strategy} on {self.cell.dataset}: {said}>"

    @property
    def metric(self) -> Column:
        """The column of the primary metric."""
        return self.columns[0]

    @property
    def test_images(self) -> int | None:
        """How many images the metrics were measured on."""
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


def rows(records: Iterable[Record], examples: Examples, columns: Columns) -> list[Row]:
    """A row for each cell, in the order in which the cells first appear."""
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        by_cell.setdefault(record.trial.cell_id, []).append(record)
    cells = [group[0].trial.cell for group in by_cell.values()]
    names = names_of_cells(cells)
    of_task = {task: tuple(columns(task)) for task in {cell.task for cell in cells}}
    return [_row(group, names, examples, of_task[group[0].trial.cell.task]) for group in by_cell.values()]


def _row(group: list[Record], names: Mapping[str, str], examples: Examples, columns: tuple[Column, ...]) -> Row:
    done = [record for record in group if record.status == "ok"]
    costs = [record.cost for record in done if record.cost]
    machines = {found for record in done if (found := machine_of(record)) is not None}
    values = {
        each.name: [value for record in done if (value := each.value(record)) is not None]
        for each in columns
        if not each.timed or len(machines) < 2
    }
    figures = {each.name: None for each in columns} | {
        name: statistics.median(found) if found else None for name, found in values.items()
    }
    sample = _sample(done, examples, columns[0])
    primary = interval(sample) if sample.values else None
    figures[columns[0].name] = primary.mean if primary else None
    at_chance = sum(record.metrics.at_chance for record in done if record.metrics)
    cell = group[0].trial.cell
    return Row(
        cell=cell,
        backbone=backbone_name(cell, names),
        strategy=names[cell.strategy],
        columns=columns,
        primary=primary,
        figures=figures,
        ranges={name: (min(found), max(found)) for name, found in values.items() if found},
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
        machines=tuple(sorted(machines)),
        sample=sample,
        records=tuple(group),
    )


def _load(record: Record) -> float | None:
    """The system's load per core as the trial began; with several trials at once, it says nothing of other work."""
    environment = record.environment or {}
    load, cores = environment.get("load_average"), environment.get("usable_cores")
    several = record.cost is not None and record.cost.concurrent_trials > 1
    return None if several or load is None or not cores else load / cores


def _sample(done: list[Record], examples: Examples, metric: Column) -> Sample:
    """The primary metric of each good seed, with what its test examples have in it."""
    values = {record.trial.seed: value for record in done if (value := metric.value(record)) is not None}
    kept = {record.trial.seed: examples(record) for record in done if record.trial.seed in values}
    scores = {seed: found for seed, found in kept.items() if found is not None}
    images = min((record.data.test_images for record in done if record.data), default=None)
    return Sample(values, scores, images, metric.unit == "share")


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
