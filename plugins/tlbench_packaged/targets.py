"""The targets of a table: a class, several classes, zeros and ones, or numbers; which, is said or seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlbench import UserError
from tlbench.toolkit import counted, listed
from tlbench_packaged.csv_options import TaskOption
from tlbench_packaged.table import Table

MOST_INTEGER_CLASSES = 50
"""Up to so many different integers in one column are taken for classes."""
SEPARATORS = (";", "|", ",")


@dataclass
class Targets:
    """What is predicted: the task, the names of classes or targets, a label for each row, and notes on the choice."""

    task: str
    names: list[str]
    labels: np.ndarray
    notes: tuple[str, ...] = ()


def read_targets(table: Table, columns: Sequence[str], task: TaskOption, separator: str | None) -> Targets:
    """The targets of some columns; what can't be read is noted in the table as a mistake of its line."""
    fields = {name: table.column(name, "targets") for name in columns}
    if task == "auto":
        task, note = _seen(table, fields, separator)
    else:
        note = None
    notes = () if note is None else (note,)
    if task == "regression":
        return Targets(task, list(columns), _numbers(table, fields), notes)
    if task == "multi-label":
        names, labels = _labels(table, fields, separator)
        return Targets(task, names, labels, notes)
    if len(columns) > 1:
        raise UserError(
            f"dataset csv: {table.path}: one class for each image is one column, and these are {len(columns)}: "
            f"{listed(list(columns))}; name one with targets=, or say task=multi-label or task=regression"
        )
    names, labels = _classes(table, columns[0], fields[columns[0]])
    return Targets(task, names, labels, (*notes, *_suspicions(columns[0], fields[columns[0]])))


def _seen(table: Table, fields: dict[str, list[str]], separator: str | None) -> tuple[TaskOption, str | None]:
    """The task as the fields say, and a note where it could be another."""
    values = [value for each in fields.values() for value in each]
    if separator is not None:
        return "multi-label", None
    numeric = all(_number(value) is not None for value in values)
    if len(fields) > 1:
        if set(values) <= {"0", "1"}:
            return "multi-label", None
        if numeric:
            return "regression", None
        raise UserError(
            f"dataset csv: {table.path}: what are the columns {listed(list(fields))}? They are neither all numbers nor "
            f"all 0 and 1; name one column of classes with targets=, or say task=multi-label or task=regression"
        )
    (name,) = fields
    if not numeric:
        return "single-label", None
    different = set(map(float, values))
    if all(each.is_integer() for each in different) and len(different) <= MOST_INTEGER_CLASSES:
        said = (
            f"column {name}: {len(different)} different integers are taken for classes; task=regression takes numbers"
        )
        return "single-label", said
    return "regression", None


def _classes(table: Table, column: str, values: list[str]) -> tuple[list[str], np.ndarray]:
    for row, value in enumerate(values):
        if not value:
            table.mistake(row, f"{column} is empty")
    names = _ordered(set(values))
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[value] for value in values], dtype=np.int64)


def _ordered(names: set[str]) -> list[str]:
    """Names in alphabetical order, numbers by their values."""
    numbers = {name: _number(name) for name in names}
    if all(value is not None for value in numbers.values()):
        return sorted(names, key=lambda name: (numbers[name] or 0.0, name))
    return sorted(names)


def _labels(table: Table, fields: dict[str, list[str]], separator: str | None) -> tuple[list[str], np.ndarray]:
    """Zeros and ones, a column for each label; or the labels in one field, with a separator between them."""
    if len(fields) == 1:
        (values,) = fields.values()
        parted = [{each.strip() for each in value.split(separator or ";")} - {""} for value in values]
        names = _ordered({name for each in parted for name in each})
        return names, np.array([[int(name in each) for name in names] for each in parted], dtype=np.int64)
    for name, values in fields.items():
        for row, value in enumerate(values):
            if value not in ("0", "1"):
                table.mistake(row, f"{name} is {value!r}; it is 0 or 1")
    return list(fields), np.array([[int(value == "1") for value in row] for row in zip(*fields.values(), strict=True)])


def _numbers(table: Table, fields: dict[str, list[str]]) -> np.ndarray:
    found = np.zeros((len(table.lines), len(fields)), dtype=np.float32)
    for place, (name, values) in enumerate(fields.items()):
        for row, value in enumerate(values):
            number = _number(value)
            if number is None:
                table.mistake(row, f"{name} is {value!r}, which is no finite number" if value else f"{name} is empty")
            else:
                found[row, place] = number
    return found


def _number(value: str) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _suspicions(column: str, values: list[str]) -> tuple[str, ...]:
    """A note where classes look like lists of classes."""
    for separator in SEPARATORS:
        if with_it := sum(separator in value for value in values):
            fields = f"{counted(with_it, 'field')} {'has' if with_it == 1 else 'have'} {separator!r}"
            return (f"column {column}: {fields}; where it parts several classes, say separator={separator}",)
    return ()
