"""What stands over and under a table of one dataset: on what it was measured, how, and what to know of its rows."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.data.leaks import Leak
from tlbench.records import BatchNormRecord, DataRecord, PhaseCost
from tlbench.report import text
from tlbench.report.rows import Row
from tlbench.words import counted

BUSY = 1.5
"""Load per core as a trial begins; the trial before it leaves one of some 1.1."""
MARKED = (
    "the best of its column among comparable rows, and all not significantly different from it: accuracies paired by "
    "seed and test image (5 % level), costs by their ranges over seeds."
)
"""What a mark says; it begins with the mark itself."""


def footer(table: list[Row]) -> list[str]:
    """What a table of one dataset needs said under it."""
    lines = list(dict.fromkeys(said for row in table if row.data for said in _data_notes(row.data)))
    for said in dict.fromkeys(text.protocol(row.cell.protocol, row.cell.device) for row in table):
        lines.append(f"Protocol: {said}.")
    if rates := dict.fromkeys(_rate(row, table) for row in table if _has_rate(row)):
        lines.append("Learning rates: " + ", ".join(rates) + ".")
    if chosen := dict.fromkeys(_chosen_numerics(row) for row in table if row.cell.protocol.auto_precision):
        lines.append("Fastest as measured: " + ", ".join(chosen) + ".")
    if tuned := _tuned(table):
        lines.append(f"Tuned: each seed chose on val among {tuned}; costs include all candidates.")
    lines += _samples(table)
    lines.append(
        "Costs are as if each trial ran alone. Train includes feature extraction; Img/s is end to end over Train; "
        "Passes is the training images processed, in multiples of the protocol's epochs; Infer is the finished model's "
        "images per second, at batch 1 and at its best batch."
    )
    if statistics := dict.fromkeys(_statistics(row) for row in table if _batchnorms(row)):
        lines.append("BatchNorm statistics: " + ", ".join(statistics) + ".")
    if cached := dict.fromkeys(text.short(row.cell.strategy) for row in table if row.on_features):
        lines.append(f"Features of a frozen part were computed once: {', '.join(cached)}.")
    if compiled := dict.fromkeys(_compiled(row) for row in table if row.compile_seconds is not None):
        lines.append("Compilation, apart from Train: " + ", ".join(compiled) + ".")
    if attributed := dict.fromkeys(text.short(row.cell.strategy) for row in table if row.attributed):
        lines.append(
            f"~: attributed. The heads of {', '.join(attributed)} were trained in one product; Train is what one trial "
            "would have cost alone, estimated from steps of one head by itself."
        )
    if (at_once := max(row.concurrent_trials for row in table)) > 1:
        lines.append(f"†: up to {at_once} trials ran at once and disturbed each other's times.")
    if busy := [row.load_per_core for row in table if row.load_per_core and row.load_per_core > BUSY]:
        lines.append(
            f"Warning: the machine was busy with other work (load {max(busy):.1f} per core); times are longer and vary "
            f"more than on an idle one."
        )
    lines += [_at_chance(row) for row in table if row.at_chance and _has_rate(row)]
    lines += _weights_notes(table)
    for row in table:
        for reason in row.reasons:
            lines.append(f"{_pair(row)}, {reason}")
    return lines


def _data_notes(data: DataRecord) -> Iterator[str]:
    """What in the images limits what the figures say."""
    equal, near = data.duplicates_train_test, data.near_duplicates_train_test
    if equal or near:
        leak = Leak(split="test", images=data.test_images, equal=equal, near=near, example=data.duplicates_example)
        yield f"Warning: {leak}; accuracies are too high. --drop-duplicates removes them from train."
    if data.dropped_duplicates:
        yield f"Dropped from train: {counted(data.dropped_duplicates, 'image')} that val or test has, too."
    if data.unreadable_images:
        yield f"Left out as unreadable (--skip-unreadable): {counted(data.unreadable_images, 'image')}."
    yield from (f"{each[0].upper()}{each[1:]}." for each in data.lacking)


def heading(dataset: str, table: list[Row]) -> str:
    """A dataset, and what its accuracies were measured on."""
    images = {row.test_images for row in table if row.test_images is not None}
    seeds = {row.done for row in table if row.done}
    said = [_span(images, "test image"), _span(seeds, "seed")]
    return f"{dataset} ({', '.join(each for each in said if each)})" if images and seeds else dataset


def _span(numbers: set[int], noun: str) -> str:
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return f"{low if low == high else f'{low} to {high}'} {noun}{'' if high == 1 else 's'}"


def _samples(table: list[Row]) -> list[str]:
    """What the interval of an accuracy has in it."""
    if not any(row.accuracy and row.accuracy.half_width is not None for row in table):
        return []
    several = any(row.accuracy and row.accuracy.n > 1 for row in table)
    what = "the spread over seeds and the test sample" if several else "the test sample, not the spread over seeds"
    return [
        f"±: half-width of a 95 % interval of the accuracy; it includes {what}."
        + (" Costs are medians over seeds." if several else "")
    ]


def _batchnorms(row: Row) -> list[BatchNormRecord]:
    return [phase.batchnorm for phase in row.phases if phase.batchnorm is not None]


def _statistics(row: Row) -> str:
    """Whether a row's BatchNorm statistics moved; of several phases, what each did."""
    found = dict.fromkeys(each.statistics for each in _batchnorms(row))
    return f"{text.short(row.cell.strategy)} {', then '.join(found)}"


def _pair(row: Row) -> str:
    return f"{text.short(row.cell.backbone)} × {text.short(row.cell.strategy)}"


def _chosen_numerics(row: Row) -> str:
    value = row.cell.protocol
    return f"{text.short(row.cell.backbone)} {value.precision} {value.memory_format}"


def _compiled(row: Row) -> str:
    return f"{_pair(row)} {text.seconds(row.compile_seconds)}{'' if row.compiled else ' (runs eagerly)'}"


def _at_chance(row: Row) -> str:
    seeds = "it is" if row.done == 1 else f"{row.at_chance} of {row.done} seeds are"
    if text.weights(row.cell) == "RANDOM":
        return f"{_pair(row)}: {seeds} no better than chance, from random weights; with pretrained ones it learns more."
    return f"{_pair(row)}: {seeds} no better than chance; a lower --lr, or --tune lr=…, is the usual remedy."


def _has_rate(row: Row) -> bool:
    """A strategy that fits a head in closed form has none."""
    return row.cell.learning_rate is not None or bool(row.cell.tuned_rates)


def _tuned(table: list[Row]) -> str:
    """The rates to choose from, and by which strategies where they differ."""
    strategies: dict[str, list[str]] = {}
    for row in table:
        if row.cell.tuned_rates:
            rates = ", ".join(f"{rate:g}" for rate in row.cell.tuned_rates)
            strategies.setdefault(rates, []).append(text.short(row.cell.strategy))
    if len(strategies) == 1:
        return next(iter(strategies))
    return "; ".join(f"{rates} ({', '.join(dict.fromkeys(names))})" for rates, names in strategies.items())


def _rate(row: Row, table: list[Row]) -> str:
    """A strategy's rate; of a tuned one those that were chosen, with the backbone where there are several."""
    strategy = text.short(row.cell.strategy)
    if row.cell.learning_rate is not None:
        return f"{strategy} {row.cell.learning_rate:g}"
    several = len({each.cell.backbone for each in table}) > 1
    name = f"{text.short(row.cell.backbone)} × {strategy}" if several else strategy
    return f"{name} {' or '.join(f'{rate:g}' for rate in row.learning_rates) or text.NOTHING}"


def _weights_notes(table: list[Row]) -> list[str]:
    missing = {
        text.short(row.cell.backbone): row.cell.weights.detail for row in table if text.weights(row.cell) == "RANDOM"
    }
    lines = []
    if missing:
        lines.append(
            f"RANDOM: the pretrained weights of {', '.join(missing)} are not available here, so these rows trained "
            "from random weights; they say nothing about transfer and are not ranked beside pretrained rows."
        )
    unpublished = dict.fromkeys(
        text.short(row.cell.backbone) for row in table if row.cell.weights.reason == "none-published"
    )
    if unpublished:
        lines.append(f"random: nobody publishes weights of {', '.join(unpublished)}.")
    return lines


def steps(table: list[Row]) -> list[str]:
    """The times of steps, phase by phase, of the first seed of each row."""
    return ["Steps:", *(f"  {_step(row, phase)}" for row in table for phase in row.phases if phase.step_ms)]


def _step(row: Row, phase: PhaseCost) -> str:
    assert phase.step_ms is not None
    said = f"{_pair(row)}, phase {phase.phase}: {phase.steps} steps, {text.milliseconds(phase.step_ms.median)}"
    said += f" ({text.milliseconds(phase.step_ms.p05)} to {text.milliseconds(phase.step_ms.p95)})"
    if phase.features is not None and phase.features.used:
        said += " on features"
    if phase.parts_ms is not None:
        parts = ", ".join(f"{name} {text.milliseconds(value)}" for name, value in phase.parts_ms.model_dump().items())
        said += f"; {parts}"
    return said
