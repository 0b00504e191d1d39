"""The columns that every report has: what a trial cost. Those of metrics follow from the tasks of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tlbench.contracts.task import Better, Unit
from tlbench.plan.cell import SINGLE_LABEL
from tlbench.plan.plan import MetricPlan, Plan
from tlbench.results.column import TIMED, Column
from tlbench.results.costs import Cost
from tlbench.results.beside import RetentionRecord, SourceRecord
from tlbench.results.records import Record

RESIDENT_DEVIATION, CPU_TIME_DEVIATION = 0.03, 0.055
"""Of the logarithms of a process's resident growth and of times on the CPU: how far runs deviate beyond what their seeds
show. Measured in benchmarks/results/calibration.json (docs/compare.md)."""


def _cost(
    name: str,
    heading: str,
    unit: Unit,
    better: Better | None,
    read: Callable[[Cost], float | None],
    description: str,
    *,
    tables: bool = False,
    varies: bool = True,
) -> Column:
    """A column of a record's cost."""

    def of_record(record: Record) -> float | None:
        return None if record.cost is None else read(record.cost)

    def run_deviation(record: Record) -> float:
        if record.cost is None or not varies:
            return 0.0
        if unit in TIMED:
            return CPU_TIME_DEVIATION if record.trial.cell.device == "cpu" else 0.0
        return RESIDENT_DEVIATION if unit == "bytes" and record.cost.memory_basis == "resident-growth" else 0.0

    return Column(name, heading, unit, better, of_record, description, tables, varies, run_deviation)


COSTS = (
    _cost(
        "passes", "Passes", "multiple", None, lambda cost: cost.passes,
        "training images processed, in multiples of the protocol's epochs", tables=True, varies=False,
    ),
    _cost(
        "train_with_features_seconds", "Train", "seconds", "lower",
        lambda cost: cost.train_with_features_seconds,
        "seconds of training, feature extraction included, as if alone", tables=True,
    ),
    _cost(
        "images_per_second", "Img/s", "per-second", "higher", lambda cost: cost.images_per_second,
        "training images per second, end to end", tables=True,
    ),
    _cost(
        "peak_memory_bytes", "Memory", "bytes", "lower", lambda cost: cost.peak_memory_bytes,
        "peak memory of the trial, as if alone", tables=True,
    ),
    _cost(
        "inference_images_per_second_one", "Infer 1", "per-second", "higher",
        lambda cost: cost.inference_images_per_second_one,
        "images per second of the trained model at batch 1", tables=True,
    ),
    _cost(
        "inference_images_per_second", "Infer", "per-second", "higher", lambda cost: cost.inference_images_per_second,
        "images per second of the trained model at its best batch", tables=True,
    ),
    _cost(
        "trainable_parameters", "Params", "count", "lower", lambda cost: cost.trainable_parameters,
        "parameters that were trained", tables=True, varies=False,
    ),
    _cost("paid_seconds", "Paid", "seconds", None, lambda cost: cost.paid_seconds, "seconds of the trial's process"),
    _cost("load_seconds", "Load", "seconds", None, lambda cost: cost.load_seconds, "seconds until the model is ready"),
    _cost(
        "measure_seconds", "Measure", "seconds", None, lambda cost: cost.measure_seconds,
        "seconds of measuring, which training does not pay",
    ),
    _cost(
        "train_seconds", "Train alone", "seconds", "lower", lambda cost: cost.train_seconds,
        "seconds of training without feature extraction",
    ),
    _cost("evaluate_seconds", "Evaluate", "seconds", None, lambda cost: cost.evaluate_seconds, "seconds of test"),
    _cost("save_seconds", "Save", "seconds", None, lambda cost: cost.save_seconds, "seconds of saving"),
    _cost("compile_seconds", "Compile", "seconds", None, lambda cost: cost.compile_seconds, "seconds of compilation"),
    _cost(
        "step_ms", "Step", "ms", "lower",
        lambda cost: next((phase.step_ms.median for phase in cost.phases if phase.step_ms), None),
        "median milliseconds of a training step of the first phase",
    ),
    _cost(
        "pace_ms", "Pace", "ms", None, lambda cost: cost.pace_ms,
        "milliseconds of a small block between training steps: how fast the machine was meanwhile",
    ),
    _cost(
        "peak_reserved_bytes", "Reserved", "bytes", "lower", lambda cost: cost.peak_reserved_bytes,
        "peak of what CUDA's allocator reserved",
    ),
    _cost(
        "flops_per_image", "FLOPs", "count", "lower", lambda cost: cost.flops_per_image,
        "FLOPs of the model's prediction for an image", varies=False,
    ),
    _cost(
        "train_flops_per_image", "Train FLOPs", "count", "lower", lambda cost: cost.train_flops_per_image,
        "FLOPs of training on an image", varies=False,
    ),
    _cost(
        "energy_joules", "Energy", "joules", "lower", lambda cost: cost.energy_joules, "energy of the training stage"
    ),
)  # fmt: skip
"""The costs. The parts of memory stand in the records alone."""


def _of_source(read: Callable[[SourceRecord, Cost], float | None]) -> Callable[[Record], float | None]:
    """A figure of the source model and the trial's own cost; None for a trial without a source."""

    def of_record(record: Record) -> float | None:
        return None if record.source is None or record.cost is None else read(record.source, record.cost)

    return of_record


def _with_source(source: SourceRecord, cost: Cost) -> float | None:
    return None if source.train_seconds is None else source.train_seconds + cost.train_with_features_seconds


def of_sources(unit: Unit) -> tuple[Column, ...]:
    """What a plan with sources has besides: the source model's metric, the cost of the first stage, and of both."""
    return (
        Column(
            "source_value", "Source metric", unit, None, _of_source(lambda source, _cost: source.value),
            "primary metric of the source model on its own test", tables=False,
        ),
        Column(
            "source_train_seconds", "Source train", "seconds", None,
            _of_source(lambda source, _cost: source.train_seconds),
            "seconds of training the backbone on the source, as if alone", varies=True,
        ),
        Column(
            "train_with_source_seconds", "Both", "seconds", "lower", _of_source(_with_source),
            "seconds of training on the source and on the target, as if alone", varies=True,
        ),
    )  # fmt: skip


def _of_retention(read: Callable[[RetentionRecord], float | None]) -> Callable[[Record], float | None]:
    return lambda record: None if record.retention is None else read(record.retention)


def of_retention(unit: Unit) -> tuple[Column, ...]:
    """What is left of the source task, where it was asked for."""
    difference: Unit = "fraction" if unit == "share" else unit
    return (
        Column(
            "retained", "Retained", unit, None, _of_retention(lambda found: found.after),
            "primary metric of the source's test, through the source's own head on the trained body",
        ),
        Column(
            "forgetting", "Forgetting", difference, "lower", _of_retention(lambda found: found.forgetting),
            "how much worse the source's primary metric is after training than before",
        ),
        Column(
            "probe_forgetting", "Probe", "fraction", "lower", _of_retention(lambda found: found.probe_forgetting),
            "how much less a linear probe on the features gets right of the source's test after training than before",
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class MetricColumn(Column):
    """The column of a metric of test."""


def metric_column(metric: MetricPlan, *, tables: bool) -> MetricColumn:
    """The column of a task's metric."""

    def read(record: Record) -> float | None:
        return None if record.metrics is None else record.metrics.test.get(metric.name)

    return MetricColumn(metric.name, metric.heading, metric.unit, metric.better, read, metric.description, tables)


CORRUPTED = "corrupted"


def robustness_columns(plan: Plan, task: str) -> Iterator[MetricColumn]:
    """The columns of what a plan measures of a task besides its test set: the primary metric there."""
    cells = [cell for cell in plan.cells if cell.task == task and (cell.corruptions or cell.test_on)]
    if not cells:
        return
    primary = plan.tasks[task].primary_metric
    unit = "fraction" if primary.unit == "share" else primary.unit  # of other images than the intervals are of
    if any(cell.corruptions for cell in cells):
        said = f"mean {primary.name} on test over corruptions and severities"
        yield MetricColumn(CORRUPTED, "Corrupted", unit, primary.better, _corrupted, said)
    refs = dict.fromkeys(each.dataset for cell in cells for each in cell.test_on)
    for ref, name in _plain_names(refs).items():
        said = f"{primary.name} on the test split of {ref}"
        read = partial(_on, ref, primary.name)
        yield MetricColumn(f"{primary.name}_on_{name}", heading_of(ref), unit, primary.better, read, said)


def heading_of(dataset: str) -> str:
    """The heading of the column of another dataset that models are tested on."""
    return f"On {dataset.rpartition('/')[2]}"


def _corrupted(record: Record) -> float | None:
    return None if record.metrics is None else record.metrics.corrupted


def _on(ref: str, metric: str, record: Record) -> float | None:
    return None if record.metrics is None else record.metrics.shifted.get(ref, {}).get(metric)


def _plain_names(refs: Iterable[str]) -> dict[str, str]:
    """By dataset, its name without what a condition or a spreadsheet takes for a sign; no two are alike."""
    found: dict[str, str] = {}
    for ref in refs:
        plain = re.sub(r"[^\w.-]+", "-", ref.rpartition("/")[2])
        alike = sum(each == plain or each.startswith(f"{plain}--") for each in found.values())
        found[ref] = f"{plain}--{alike + 1}" if alike else plain
    return found


def columns_of(plan: Plan, task: str, own: Sequence[Column] = ()) -> tuple[Column, ...]:
    """The columns of a task: its metrics, the primary one first and alone in tables, the costs, and plugins' own.

    Behind the metrics stand those of robustness, where the plan asks for any.
    """
    facts = plan.tasks[task]
    metrics = [metric_column(each, tables=each.name == facts.primary) for each in facts.metrics]
    unit = _source_unit(plan)
    sources = of_sources(unit) if any(cell.source_model is not None for cell in plan.cells) else ()
    retained = of_retention(unit) if plan.request.retention else ()
    metrics.sort(key=lambda each: not each.tables)
    return (*metrics, *robustness_columns(plan, task), *retained, *_behind_train(sources), *own)


def _source_unit(plan: Plan) -> Unit:
    """The unit of the source's primary metric; a plain number where sources have several."""
    tasks = {cell.task for cell in plan.sources} | ({SINGLE_LABEL} if plan.request.source_data else set())
    units = {plan.tasks[task].primary_metric.unit for task in tasks}
    return units.pop() if len(units) == 1 else "number"


def _behind_train(sources: Sequence[Column]) -> tuple[Column, ...]:
    """The costs, those of sources right behind the time of training."""
    place = next(number for number, each in enumerate(COSTS, 1) if each.name == "train_with_features_seconds")
    return (*COSTS[:place], *sources, *COSTS[place:])
