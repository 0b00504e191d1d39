"""Figures and names as a person reads them: short, with their unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tlbench.contracts.strategy import Rates
from tlbench.contracts.task import Unit
from tlbench.plan.cell import Cell, Protocol
from tlbench.plan.option import said
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.results.column import POINTS, Column
from tlbench.stats import Estimate
from tlbench.words import counted

NOTHING = "–"

NAMED = {"backbone": "Backbone", "strategy": "Strategy", "weights": "Weights"}
"""The headings of the columns before the figures."""
STATUS = {"status": "Status"}
RANK = "rank"
"""The column of letters, which rows that are not told apart share."""


def shown(row: Row) -> list[Column]:
    """The columns of figures that tables have."""
    return [column for column in row.columns if column.tables]


def headings(table: DatasetTable) -> dict[str, str]:
    """The headings of a table's columns, by name."""
    left_out = equal(table)
    return {name: heading for name, heading in _headings(table).items() if name not in left_out}


def equal(table: DatasetTable) -> dict[str, str]:
    """With `--only-differing`, the text of each column that is equal in all rows, by name."""
    if not table.only_differing or len(table.rows) < 2:
        return {}
    shown = lines(table)
    return {name: shown[0][name] for name in _headings(table) if len({line[name] for line in shown}) == 1}


def equal_line(table: DatasetTable) -> list[str]:
    """The line above a table that says what all rows have in common, if anything is left out."""
    names = _headings(table)
    said = [f"{in_a_sentence(names[name])} {each}" for name, each in equal(table).items()]
    return [f"All rows: {', '.join(said)}"] if said else []


def in_a_sentence(heading: str) -> str:
    """A heading as a word among others."""
    return heading.lower() if heading.istitle() else heading


def _headings(table: DatasetTable) -> dict[str, str]:
    primary, *others = ({column.name: column.heading} for column in shown(table.rows[0]))
    rank = {RANK: "Rank"} if table.ranked else {}
    return NAMED | primary | rank | {name: each for other in others for name, each in other.items()} | STATUS


def lines(table: DatasetTable) -> list[dict[str, str]]:
    """The text of each column of each row of a table."""
    return [cells(row) | {RANK: table.ranks.get(number, NOTHING)} for number, row in enumerate(table.rows)]


def cells(row: Row) -> dict[str, str]:
    """The text of each column of a row, but for its rank among others."""
    figures = {column.name: figure(row.figures[column.name], column.unit) for column in shown(row)}
    figures[row.metric.name] = metric(row.primary, row.metric.unit)
    if (train := figures.get(TRAIN)) not in (None, NOTHING):
        figures[TRAIN] = f"{'~' if row.attributed else ''}{train}{'†' if row.concurrent_trials > 1 else ''}"
    return {
        "backbone": row.backbone,
        "strategy": row.strategy,
        "weights": weights(row.cell),
        **figures,
        "status": row.status,
    }


TRAIN = "train_with_features_seconds"
"""The column that is marked: ~ before it where it is estimated, † behind where other trials ran at the same time."""


def figure(value: float | None, unit: Unit) -> str:
    """A figure with its unit."""
    return NOTHING if value is None else WRITTEN[unit](value)


def weights(cell: Cell) -> str:
    """What a cell started from; RANDOM in capitals where pretrained weights were wanted and not to be had."""
    plan = cell.weights
    if plan.kind != "random":
        return plan.kind
    return "RANDOM" if plan.reason == "unavailable" else "random"


def metric(value: Estimate | None, unit: Unit) -> str:
    """A metric, with the half-width of its interval where there is one."""
    if value is None:
        return NOTHING
    if value.half_width is None:
        return figure(value.mean, unit)
    if unit in POINTS:
        return f"{100 * value.mean:.1f}% ±{100 * value.half_width:.1f}"
    return f"{number(value.mean)} ±{f'{value.half_width:#.2g}'.removesuffix('.')}"


def number(value: float) -> str:
    """A number with three significant figures, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".removesuffix(".")


def seconds(value: float | None) -> str:
    """Seconds, or minutes and hours where there are many."""
    if value is None:
        return NOTHING
    if value < 100:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def rate(value: float | None) -> str:
    """Images per second."""
    return NOTHING if value is None else f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


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


WRITTEN: dict[Unit, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:.1f}%",
    "fraction": lambda value: f"{100 * value:.1f}%",
    "number": number,
    "multiple": lambda value: f"{value:.2g}",
    "seconds": seconds,
    "ms": milliseconds,
    "per-second": rate,
    "bytes": mebibytes,
    "count": count,
    "joules": lambda value: f"{number(value)}J",
}


def protocol(value: Protocol, device: str) -> str:
    """A protocol in one line."""
    train = "all" if value.train_size is None else f"at most {value.train_size:,}"
    test = "all" if value.test_size is None else f"at most {value.test_size:,}"
    asked = f" ({value.asked_batch_size} asked for)" if value.asked_batch_size else ""
    return ", ".join(
        [
            counted(value.epochs, "epoch"),
            f"batch {value.batch_size}{asked}",
            f"{value.image_size} px",
            f"{train} training and {test} test images",
            *said(value),
            _numerics(value),
            f"on {device}",
        ]
    )


def protocol_in_short(value: Protocol, device: str) -> str:
    """What a run's cost depends on most."""
    return f"{counted(value.epochs, 'epoch')}, batch {value.batch_size}, {value.image_size} px, on {device}"


def _numerics(value: Protocol) -> str:
    """The precision, or how it was chosen."""
    if value.auto_precision:
        asked = value.asked_memory_format
        return f"each model's fastest precision{' and memory format' if asked is None else f', {asked}'}"
    return f"{value.precision}, {value.memory_format}"


def rates(value: Rates) -> str:
    """Default learning rates, one part for each optimizer; for each family of backbones where they differ."""
    parts = []
    for optimizer, rate in value.items():
        by_family = rate.items() if isinstance(rate, Mapping) else [(None, rate)]
        said = ", ".join(f"{each:g}{f' ({family})' if family else ''}" for family, each in by_family)
        parts.append(f"{optimizer} {said}")
    return "; ".join(parts)
