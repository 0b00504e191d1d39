"""Figures and names as a person reads them: short, with their unit."""

from __future__ import annotations

from tlbench.plan import CHANCES, Cell, Protocol
from tlbench.report.rows import Row
from tlbench.stats import Estimate

NOTHING = "–"

HEADINGS = {
    "backbone": "Backbone",
    "strategy": "Strategy",
    "weights": "Weights",
    "accuracy": "Accuracy",
    "train_seconds": "Train",
    "step_ms": "Step",
    "images_per_second": "Img/s",
    "peak_memory_bytes": "Memory",
    "trainable_parameters": "Params",
    "status": "Status",
}


def cells(row: Row) -> dict[str, str]:
    """The text of each column of a row."""
    return {
        "backbone": short(row.cell.backbone),
        "strategy": short(row.cell.strategy),
        "weights": weights(row.cell),
        "accuracy": accuracy(row.accuracy),
        "train_seconds": _train(row),
        "step_ms": milliseconds(row.step_ms),
        "images_per_second": NOTHING if row.images_per_second is None else f"{row.images_per_second:.0f}",
        "peak_memory_bytes": mebibytes(row.peak_memory_bytes),
        "trainable_parameters": count(row.trainable_parameters),
        "status": row.status,
    }


def _train(row: Row) -> str:
    """Seconds, ~ before them where they are attributed, † behind where other trials ran at the same time."""
    if row.train_seconds is None:
        return NOTHING
    return f"{'~' if row.attributed else ''}{seconds(row.train_seconds)}{'†' if row.concurrent_trials > 1 else ''}"


def short(ref: str) -> str:
    """A component without its plugin's name."""
    name, colon, options = ref.partition(":")
    return name.rpartition("/")[2] + colon + options


def weights(cell: Cell) -> str:
    """What a cell started from; RANDOM in capitals where pretrained weights were wanted and not to be had."""
    plan = cell.weights
    if plan.kind != "random":
        return plan.kind
    return "RANDOM" if plan.reason == "unavailable" else "random"


def accuracy(value: Estimate | None) -> str:
    """Per cent, with the half-width of the interval where there is one."""
    if value is None:
        return NOTHING
    spread = "" if value.half_width is None else f" ±{100 * value.half_width:.1f}"
    return f"{100 * value.mean:.1f}%{spread}"


def seconds(value: float | None) -> str:
    """Seconds, or minutes and hours where there are many."""
    if value is None:
        return NOTHING
    if value < 100:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def milliseconds(value: float | None) -> str:
    """Milliseconds with about three figures."""
    if value is None:
        return NOTHING
    return f"{value:.0f}ms" if value >= 99.95 else f"{value:.1f}ms" if value >= 9.995 else f"{value:.2f}ms"


def mebibytes(value: float | None) -> str:
    """MiB, or GiB from 10,000 MiB."""
    if value is None:
        return NOTHING
    size = value / 2**20
    return f"{size:.0f}MiB" if size < 9999.5 else f"{size / 1024:.1f}GiB"


def count(value: float | None) -> str:
    """A number of parameters: 12.8k, 3.4M."""
    if value is None:
        return NOTHING
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 0.99995 * size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"


def protocol(value: Protocol, device: str) -> str:
    """A protocol in one line."""
    train = "all" if value.train_size is None else f"at most {value.train_size}"
    test = "all" if value.test_size is None else f"at most {value.test_size}"
    epochs = "1 epoch" if value.epochs == 1 else f"{value.epochs} epochs"
    clip = "" if value.gradient_clip is None else f"gradients clipped at norm {value.gradient_clip:g}, "
    asked = f" ({value.asked_batch_size} asked for)" if value.asked_batch_size else ""
    return (
        f"{epochs}, batch {value.batch_size}{asked}, {value.image_size} px, {train} training and {test} test images, "
        f"{value.optimizer} (weight decay {value.weight_decay:g}), {value.schedule} schedule after "
        f"{100 * value.warmup_share:g} % warm-up, {clip}{_recipe(value)}{_numerics(value)}, "
        f"{' and '.join(value.augmentation) or 'no'} augmentation, {_choices(value)}on {device}"
    )


def _numerics(value: Protocol) -> str:
    """The precision, or how it was chosen; compilation, unless it is off."""
    compiled = "" if value.compile == "off" else f", compile {value.compile}"
    if value.auto_precision:
        asked = value.asked_memory_format
        return f"each model's fastest precision{' and memory format' if asked is None else f', {asked}'}{compiled}"
    return f"{value.precision}, {value.memory_format}{compiled}"


def _recipe(value: Protocol) -> str:
    """What departs from the plain loss and the plain weights."""
    said = {
        f"label smoothing {value.label_smoothing:g}": value.label_smoothing,
        f"mixup {value.mixup}": value.mixup,
        f"CutMix {value.cutmix}": value.cutmix,
        "all classes weighted alike": value.class_weights,
        f"weights averaged (decay {value.ema})": value.ema,
        f"BatchNorm statistics {'frozen' if value.batchnorm == 'frozen' else 'trained'}": value.batchnorm != "auto",
    }
    return "".join(f"{text}, " for text, asked in said.items() if asked)


def _choices(value: Protocol) -> str:
    """What departs from the usual: epochs chosen on val, determinism, chance that is held."""
    said = []
    if value.select == "best":
        patience = f", patience {value.patience}" if value.patience else ""
        said.append(f"best epoch on val{patience}, ")
    if value.deterministic:
        said.append("deterministic, ")
    if held := [chance for chance in CHANCES if chance not in value.vary]:
        said.append(f"{' and '.join(held)} as with seed 0, ")
    return "".join(said)


def footer(table: list[Row]) -> list[str]:
    """What a table of one dataset needs said under it."""
    lines = []
    for text in dict.fromkeys(protocol(row.cell.protocol, row.cell.device) for row in table):
        lines.append(f"Protocol: {text}.")
    if rates := dict.fromkeys(_rate(row, table) for row in table if _has_rate(row)):
        lines.append("Learning rates: " + ", ".join(rates) + ".")
    if chosen := dict.fromkeys(_chosen_numerics(row) for row in table if row.cell.protocol.auto_precision):
        lines.append("Fastest as measured: " + ", ".join(chosen) + ".")
    if tuned := next((row.cell.tuned_rates for row in table if row.cell.tuned_rates), ()):
        lines.append(
            f"Tuned: each seed chose on val among {', '.join(f'{rate:g}' for rate in tuned)}; all are paid for."
        )
    if any(row.accuracy and row.accuracy.half_width is not None for row in table):
        lines.append("±: half-width of the 95 % t-interval of the mean over seeds; costs are medians over seeds.")
    if cached := dict.fromkeys(short(row.cell.strategy) for row in table if row.on_features):
        lines.append(
            f"Features of the frozen part were computed once ({', '.join(cached)}): Train has that in it; "
            "Step and Img/s are of the rest of the model."
        )
    if compiled := dict.fromkeys(_compiled(row) for row in table if row.compile_seconds is not None):
        lines.append("Compilation, apart from Train: " + ", ".join(compiled) + ".")
    if attributed := dict.fromkeys(short(row.cell.strategy) for row in table if row.attributed):
        lines.append(
            f"~: attributed. The heads of {', '.join(attributed)} were trained in one product; Train is what one trial "
            "would have cost alone, told from steps of one head by itself."
        )
    if (at_once := max(row.concurrent_trials for row in table)) > 1:
        lines.append(f"†: up to {at_once} trials ran at once and disturbed each other's times.")
    lines += [_at_chance(row) for row in table if row.at_chance and _has_rate(row)]
    lines += _weights_notes(table)
    for row in table:
        for reason in row.reasons:
            lines.append(f"{_pair(row)}, {reason}")
    return lines


def _pair(row: Row) -> str:
    return f"{short(row.cell.backbone)} × {short(row.cell.strategy)}"


def _chosen_numerics(row: Row) -> str:
    value = row.cell.protocol
    return f"{short(row.cell.backbone)} {value.precision} {value.memory_format}"


def _compiled(row: Row) -> str:
    return f"{_pair(row)} {seconds(row.compile_seconds)}{'' if row.compiled else ' (runs eagerly)'}"


def _at_chance(row: Row) -> str:
    seeds = "it is" if row.done == 1 else f"{row.at_chance} of {row.done} seeds are"
    return f"{_pair(row)}: {seeds} no better than chance; a lower --lr, or --tune lr=…, is the usual remedy."


def _has_rate(row: Row) -> bool:
    """A strategy that fits a head in closed form has none."""
    return row.cell.learning_rate is not None or bool(row.cell.tuned_rates)


def _rate(row: Row, table: list[Row]) -> str:
    """A strategy's rate; of a tuned one those that were chosen, with the backbone where there are several."""
    strategy = short(row.cell.strategy)
    if row.cell.learning_rate is not None:
        return f"{strategy} {row.cell.learning_rate:g}"
    several = len({each.cell.backbone for each in table}) > 1
    name = f"{short(row.cell.backbone)} × {strategy}" if several else strategy
    return f"{name} {' or '.join(f'{rate:g}' for rate in row.learning_rates) or NOTHING}"


def _weights_notes(table: list[Row]) -> list[str]:
    missing = {short(row.cell.backbone): row.cell.weights.detail for row in table if weights(row.cell) == "RANDOM"}
    lines = []
    if missing:
        lines.append(
            f"RANDOM: the pretrained weights of {', '.join(missing)} could not be had, so these rows trained from "
            "random weights; they say nothing about transfer and are not ranked beside pretrained rows."
        )
    unpublished = dict.fromkeys(
        short(row.cell.backbone) for row in table if row.cell.weights.reason == "none-published"
    )
    if unpublished:
        lines.append(f"random: nobody publishes weights of {', '.join(unpublished)}.")
    return lines
