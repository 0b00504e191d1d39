"""What stands over and under a table of one dataset: on what it was measured, how, and what to know of its rows."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.data.leaks import Leak
from tlbench.plan.cell import OtherDatasetPlan
from tlbench.report import text
from tlbench.report.alarms import alarms
from tlbench.report.compared import compared
from tlbench.report.names import pair
from tlbench.report.robustness import robustness_notes
from tlbench.report.rows import Row
from tlbench.report.short import short
from tlbench.report.tables import DatasetTable
from tlbench.results.records import DataRecord, Record
from tlbench.words import counted, listed

INFERENCE = {"inference_images_per_second", "inference_images_per_second_one"}
BUSY = 1.5
"""Load per core as a trial begins; the trial before it leaves one of some 1.1."""
MARKED = (
    "the best of its column among comparable rows, or not told apart from it (the metric as under Rank, costs by their "
    "ranges over seeds)."
)
"""What a mark says; it begins with the mark itself."""


def footer(found: DatasetTable) -> list[str]:
    """What a table of one dataset needs said under it."""
    table = list(found.rows)
    lines = list(dict.fromkeys(said for row in table if row.data for said in _data_notes(row.data)))
    lines += _sources(table)
    lines += dict.fromkeys(
        f"Warning: {each.leak_into(row.cell.dataset)}."
        for row in table
        for each in (*row.cell.other_datasets, *_source_data(row))
        if each.test_images_shared
    )
    protocols: dict[str, dict[str, None]] = {}
    for row in table:
        protocols.setdefault(text.protocol(row.cell.protocol, row.cell.device), {})[pair(row)] = None
    for said, names in protocols.items():
        lines.append(f"Protocol{f' of {listed(list(names), 4)}' if len(protocols) > 1 else ''}: {said}.")
    lines += _learning_rates(table)
    if chosen := dict.fromkeys(_chosen_numerics(row) for row in table if row.cell.protocol.auto_precision):
        lines.append("Fastest as measured: " + ", ".join(chosen) + ".")
    lines += [*_samples(table), *compared(found)]
    lines += [*_columns(table), *robustness_notes(table)]
    if compiled := dict.fromkeys(_compiled(row) for row in table if row.figures["compile_seconds"] is not None):
        lines.append("Compilation, not included in Train: " + ", ".join(compiled) + ".")
    if estimated := dict.fromkeys(row.strategy for row in table if row.attributed):
        lines.append(
            f"~: estimated. The heads of {', '.join(estimated)} were trained together for all seeds and rates; Train "
            "is what one would take alone (docs/measurement.md)."
        )
    if (at_once := max(row.concurrent_trials for row in table)) > 1:
        lines.append(f"†: up to {at_once} trials ran at once and slowed each other down.")
    lines += _machines(table)
    if busy := [row.load_per_core for row in table if row.load_per_core and row.load_per_core > BUSY]:
        lines.append(
            f"Warning: the machine was busy with other work (load {max(busy):.1f} per core); times are longer and vary "
            f"more than on an idle one."
        )
    lines += alarms(found)
    lines += [_at_chance(row) for row in table if row.at_chance and _has_rate(row)]
    lines += _weights_notes(table)
    for row in table:
        for reason in row.reasons:
            lines.append(f"{pair(row)}, {reason}")
    return lines


def _source_data(row: Row) -> list[OtherDatasetPlan]:
    """The source dataset of a row, whose training images may be among the test images."""
    source = row.cell.source_model
    return [] if source is None or source.data is None else [source.data]


def _sources(table: list[Row]) -> list[str]:
    """What each source model has learned, and whether it was trained in this run."""
    said: dict[str, None] = {}
    for row in table:
        for record in row.records[:1] if row.cell.source_model else ():
            said[_source_line(row, record)] = None
    return list(said)


def _source_line(row: Row, record: Record) -> str:
    source = record.source
    if source is None or source.value is None:
        return f"Source of {row.backbone}: {row.cell.source_model.name if row.cell.source_model else ''}."
    cached = ", from the cache" if source.reused else ""
    unit = next(column.unit for column in row.columns if column.name == "source_value")
    metric = f"{source.metric} {text.figure(source.value, unit)} on its own test"
    return f"Source of {row.backbone}: {source.name}, trained by {short(source.strategy)}, {metric}{cached}."


def _machines(table: list[Row]) -> list[str]:
    """That costs of unlike machines stand beside each other, and which are none."""
    lines = []
    if apart := [pair(row) for row in table if len(row.machines) > 1]:
        lines.append(f"No times of {listed(apart, 4)}: their seeds ran on unlike machines.")
    by_machine: dict[str, list[str]] = {}
    for row in table:
        if len(row.machines) == 1:
            by_machine.setdefault(row.machines[0], []).append(pair(row))
    if len(by_machine) > 1:
        said = "; ".join(f"{listed(rows, 4)} on {machine}" for machine, rows in by_machine.items())
        lines.append(f"Warning: times were measured on unlike machines and can't be compared: {said}.")
    return lines


def _columns(table: list[Row]) -> list[str]:
    """What the columns of costs measure, of those that the table has."""
    shown = {column.name for column in text.shown(table[0])}
    said = []
    if text.TRAIN in shown:
        said.append("Costs are as if each trial ran alone; Train includes feature extraction.")
    if "train_with_source_seconds" in shown:
        said.append("Train is of the target alone, Both includes training on the source.")
    if "passes" in shown and any(row.figures["passes"] not in (1, None) for row in table):
        said.append("Passes: training images processed, in multiples of the protocol's epochs.")
    if INFERENCE & shown:
        said.append("Infer: images per second of the trained model, at batch 1 and at its best batch.")
    return [" ".join(said)] if said else []


def _data_notes(data: DataRecord) -> Iterator[str]:
    """What in the images limits what the figures say."""
    equal, near = data.duplicates_train_test, data.near_duplicates_train_test
    if equal or near:
        leak = Leak(split="test", images=data.test_images, equal=equal, near=near, example=data.duplicates_example)
        yield f"Warning: {leak}; figures on test are too good. --drop-duplicates removes them from train."
    if data.dropped_duplicates:
        yield f"Dropped from train: {counted(data.dropped_duplicates, 'image')} that val or test has, too."
    if data.unreadable_images:
        yield f"Left out as unreadable (--skip-unreadable): {counted(data.unreadable_images, 'image')}."
    yield from (f"{each[0].upper()}{each[1:]}." for each in data.lacking)


def heading(table: DatasetTable) -> str:
    """A dataset, and what its metrics were measured on."""
    images = {row.test_images for row in table.rows if row.test_images is not None}
    seeds = {row.done for row in table.rows if row.done}
    said = [_span(images, "test image"), _span(seeds, "seed")]
    return f"{table.dataset} ({', '.join(each for each in said if each)})" if images and seeds else table.dataset


def _span(numbers: set[int], noun: str) -> str:
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return counted(high, noun) if low == high else f"{low:,} to {counted(high, noun)}"


def _samples(table: list[Row]) -> list[str]:
    """What the interval of the primary metric has in it, and which way is better where that is not upwards."""
    metric = table[0].metric
    name = text.in_a_sentence(metric.heading)
    described = f"{metric.description}; lower" if metric.description else "lower"
    lines = [f"{metric.heading}: {described} is better."] if metric.better == "lower" else []
    if not any(row.primary and row.primary.half_width is not None for row in table):
        return lines
    several = any(row.primary and row.primary.n > 1 for row in table)
    what = "the spread over seeds and the test sample" if several else "the test sample, not the spread over seeds"
    return [
        *lines,
        f"±: distance from the {name} to the farther end of its 95 % interval, which includes {what}."
        + (" Costs are medians over seeds." if several else ""),
    ]


def _chosen_numerics(row: Row) -> str:
    value = row.cell.protocol
    return f"{row.backbone} {value.precision} {value.memory_format}"


def _compiled(row: Row) -> str:
    taken = text.figure(row.figures["compile_seconds"], "seconds")
    return f"{pair(row)} {taken}{'' if row.compiled else ' (runs eagerly)'}"


def _at_chance(row: Row) -> str:
    seeds = "it is" if row.done == 1 else f"{row.at_chance} of {row.done} seeds are"
    if row.cell.weights.kind == "random" and row.cell.weights.reason != "strategy":
        return f"{pair(row)}: {seeds} no better than chance, from random weights; pretrained ones learn more."
    return f"{pair(row)}: {seeds} no better than chance; a lower --lr, or --tune lr=…, is the usual remedy."


def _has_rate(row: Row) -> bool:
    """A strategy that fits a head in closed form has none."""
    return row.cell.learning_rate is not None or bool(row.cell.tuned_rates)


def _learning_rates(table: list[Row]) -> list[str]:
    """The strategies of each rate, with the backbone where one strategy has several; and what was tuned."""
    fixed = [row for row in table if row.cell.learning_rate is not None]
    of_strategy: dict[str, set[float | None]] = {}
    for row in fixed:
        of_strategy.setdefault(row.strategy, set()).add(row.cell.learning_rate)
    by_rate: dict[float | None, dict[str, None]] = {}
    for row in fixed:
        name = row.strategy if len(of_strategy[row.strategy]) == 1 else pair(row)
        by_rate.setdefault(row.cell.learning_rate, {})[name] = None
    lines = []
    if by_rate:
        said = (f"{rate:g} ({', '.join(names)})" for rate, names in by_rate.items())
        lines.append(f"Learning rates: {', '.join(said)}.")
    if tried := dict.fromkeys(row.cell.tuned_rates for row in table if row.cell.tuned_rates):
        rates = ", ".join(f"{rate:g}" for rate in next(iter(tried)))
        among = rates if len(tried) == 1 else f"its strategy's {len(next(iter(tried)))} learning rates"
        lines.append(
            f"Tuned: each seed chose on val among {among}; costs include all candidates. --detail lists the choices."
        )
    return lines


def _weights_notes(table: list[Row]) -> list[str]:
    missing = dict.fromkeys(row.backbone for row in table if text.weights(row.cell) == "RANDOM")
    lines = []
    if missing:
        lines.append(
            f"RANDOM: the pretrained weights of {', '.join(missing)} are not available here, so these rows trained "
            "from random weights; they say nothing about transfer and are not ranked beside pretrained rows."
        )
    if unpublished := dict.fromkeys(row.backbone for row in table if row.cell.weights.reason == "none-published"):
        lines.append(f"random: no weights of {', '.join(unpublished)} are published.")
    return lines
