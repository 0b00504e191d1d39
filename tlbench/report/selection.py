"""Which rows and columns of a run are shown, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tlbench.contracts.task import merit
from tlbench.errors import UserError, nearest
from tlbench.report.data import ReportData
from tlbench.report.rows import Row
from tlbench.report.short import short
from tlbench.results.column import Column
from tlbench.results.columns import MetricColumn
from tlbench.results.flat import Columns, source_name
from tlbench.results.records import Record

TEXTS: dict[str, Callable[[Row], str]] = {
    "backbone": lambda row: row.cell.backbone,
    "strategy": lambda row: row.cell.strategy,
    "dataset": lambda row: row.cell.dataset,
    "device": lambda row: row.cell.device,
    "source": lambda row: source_name(row.cell),
    "weights": lambda row: row.cell.weights.kind,
    "status": lambda row: row.status,
    "task": lambda row: row.cell.task,
}
"""What of a row is a text. A protocol's fields are, too."""
CONDITION = re.compile(r"\s*(?P<name>[\w.-]+)\s*(?P<sign>!=|>=|<=|=|<|>)\s*(?P<value>.*?)\s*")
ORDERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """What is asked for: conditions that rows must all meet, the column that they are sorted by, columns, the metric.

    `sort` with a `-` before it is the other way round. `metric` stands in place of the task's primary one.
    """

    conditions: tuple[str, ...] = ()
    sort: str | None = None
    columns: tuple[str, ...] = ()
    metric: str | None = None
    only_differing: bool = False

    def of(self, data: ReportData) -> ReportData:
        """The same of a part of the records, in the order that is asked for.

        Raises UserError on names that there are not, and where no row is left.
        """
        data = replace(data, only_differing=self.only_differing)
        if self.metric is not None:
            data = _by_metric(data, self.metric)
        if self.columns:
            data = replace(data, columns=_with_columns(data, self.columns))
        rows = data.rows()
        for condition in self.conditions:
            meets = _condition(condition, rows)
            rows = [row for row in rows if meets(row)]
            if not rows:
                raise UserError(
                    f"--filter {condition!r} leaves no row; --filter {condition.partition('=')[0]}=* is all"
                )
        if self.sort is not None:
            return replace(data, records=[record for row in _sorted(rows, self.sort) for record in row.records])
        left = {row.cell.id for row in rows}
        return replace(data, records=[record for record in data.records if record.trial.cell_id in left])


def text_of(row: Row, name: str) -> str | None:
    """What of a row is called so and is a text; None where there is none."""
    if name in TEXTS:
        return TEXTS[name](row)
    protocol = row.cell.protocol.model_dump(mode="json")
    return str(protocol[name]) if name in protocol else None


def names_of(rows: Sequence[Row]) -> list[str]:
    """All names that rows can be filtered and sorted by."""
    protocol = rows[0].cell.protocol.model_dump() if rows else {}
    return [*TEXTS, *protocol, *dict.fromkeys(column.name for row in rows for column in row.columns)]


def _by_metric(data: ReportData, name: str) -> ReportData:
    """The reports with another metric as the first; its examples are known only where it is the primary one."""
    metrics = _known(data, lambda column: isinstance(column, MetricColumn))
    if name not in metrics:
        raise UserError(
            f"--metric {name}: there is no such metric{nearest(name, metrics)}; there are {', '.join(metrics)}"
        )
    given, examples = data.columns, data.examples

    def columns(task: str) -> Sequence[Column]:
        of_task = given(task)
        first = [replace(column, tables=True) for column in of_task if column.name == name]
        others = [replace(each, tables=False) if isinstance(each, MetricColumn) else each for each in of_task]
        return (*first, *(each for each in others if each.name != name)) if first else of_task

    def scores(record: Record) -> object:
        known = record.metrics is not None and record.metrics.primary == name
        return examples(record) if known else None

    return replace(data, columns=columns, examples=scores)  # type: ignore[arg-type]


def _with_columns(data: ReportData, names: Sequence[str]) -> Columns:
    """The columns of tables: the metric, and those that are named, in their order."""
    known = _known(data, lambda _column: True)
    for name in names:
        if name not in known:
            raise UserError(f"--columns {name}: there is no such column{nearest(name, known)}")
    given = data.columns

    def columns(task: str) -> Sequence[Column]:
        first, *others = given(task)
        by_name = {column.name: column for column in others}
        shown = [replace(by_name[name], tables=True) for name in names if name in by_name]
        return (first, *shown, *(replace(each, tables=False) for each in others if each.name not in names))

    return columns


def _known(data: ReportData, wanted: Callable[[Column], bool]) -> list[str]:
    tasks = dict.fromkeys(record.trial.cell.task for record in data.records)
    return list(dict.fromkeys(column.name for task in tasks for column in data.columns(task) if wanted(column)))


def _condition(text: str, rows: Sequence[Row]) -> Callable[[Row], bool]:
    """What a row must meet: a pattern of a text (strategy=lora*), or a bound of a figure (accuracy>=0.9)."""
    found = CONDITION.fullmatch(text)
    if found is None:
        raise UserError(f"--filter {text!r} is no condition; write strategy=lora*, accuracy>=0.9 or status!=ok")
    name, sign, value = found["name"], found["sign"], found["value"]
    known = names_of(rows)
    if name not in known:
        raise UserError(f"--filter {text}: there is no column {name!r}{nearest(name, known)}")
    if all(text_of(row, name) is not None for row in rows):
        if sign not in ("=", "!="):
            raise UserError(f"--filter {text}: {name} is a text; write {name}={value or '*'} or {name}!={value or '*'}")
        return lambda row: _matches(text_of(row, name) or "", value) == (sign == "=")
    try:
        bound = float(value)
    except ValueError:
        raise UserError(f"--filter {text}: {value!r} is no number, and {name} is a figure") from None
    return lambda row: (figure := row.figures.get(name)) is not None and ORDERS[sign](figure, bound)


def _matches(text: str, pattern: str) -> bool:
    """Whether a text, or its short form, matches a pattern."""
    return fnmatchcase(text, pattern) or fnmatchcase(short(text), pattern)


def _sorted(rows: list[Row], key: str) -> list[Row]:
    name = key.removeprefix("-")
    known = names_of(rows)
    if name not in known:
        raise UserError(f"--sort {key}: there is no column {name!r}{nearest(name, known)}")
    backwards = key.startswith("-")
    if all(text_of(row, name) is not None for row in rows):
        return sorted(rows, key=lambda row: text_of(row, name) or "", reverse=backwards)
    measured = [row for row in rows if row.figures.get(name) is not None]
    others = [row for row in rows if row.figures.get(name) is None]
    return [*sorted(measured, key=lambda row: _merit(row, name), reverse=not backwards), *others]


def _merit(row: Row, name: str) -> float:
    """A figure, the more the better; of a column of which neither is better, the less."""
    column = next(each for each in row.columns if each.name == name)
    return merit(column.better or "lower", row.figures[name])


def split(given: Iterable[str] | None) -> tuple[str, ...]:
    """Names that were given with commas, or by repeating an option."""
    return tuple(each.strip() for text in given or () for each in text.split(",") if each.strip())
