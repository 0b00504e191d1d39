"""Results that others made, from a CSV file: a row for each cell and seed, or for each test example of these."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlbench.compare.side import Figure, Measured, Side
from tlbench.contracts.task import Better, Unit
from tlbench.errors import UserError, nearest
from tlbench.results.columns import COSTS
from tlbench.stats import Sample
from tlbench.words import listed

IMAGES = "test_images"
"""The column, if there is one, of how many test examples a share is of."""
TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class Columns:
    """What the columns of a file are called. `cell` are those that name a cell; a file need not have `example`."""

    cell: tuple[str, ...] = ("backbone", "strategy")
    metric: str = "accuracy"
    seed: str = "seed"
    example: str = "example"
    better: Better = "higher"

    @classmethod
    def named(cls, cell: str, metric: str, seed: str, example: str, lower_is_better: bool) -> Columns:
        """As the command line has them; raises UserError where no column names a cell."""
        names = tuple(each.strip() for each in cell.split(",") if each.strip())
        if not names:
            raise UserError("--cell-columns names no column; write backbone,strategy")
        return cls(names, metric, seed, example, "lower" if lower_is_better else "higher")


def side_of_csv(path: Path, columns: Columns) -> Side:
    """The cells of a CSV file; raises UserError with the line of what can't be read."""
    rows, names = _rows(path)
    for each in (*columns.cell, columns.metric):
        if each not in names:
            option = "--metric-column" if each == columns.metric else "--cell-columns"
            raise UserError(
                f"{path} has no column {each!r}{nearest(each, names)}; it has {listed(names, 12)}. "
                f"{option} names others"
            )
    by_example = columns.example in names
    cells: dict[tuple[str, ...], dict[int, dict[str, Mapping[str, str]]]] = {}
    for line, row in rows:
        key = tuple((row[each] or "").strip() for each in columns.cell)
        of_seed = cells.setdefault(key, {}).setdefault(_seed(path, line, row, columns), {})
        example = (row[columns.example] or "") if by_example else ""
        if example in of_seed:
            again = f"example {example!r} of cell" if by_example else "cell"
            raise UserError(
                f"{path}, line {line}: {again} {' × '.join(key)} is there twice for a seed; --cell-columns and "
                f"--seed-column name what tells rows apart"
            )
        of_seed[example] = {**row, "": str(line)}
    if not cells:
        raise UserError(f"{path} has no rows")
    read = [_cell(path, key, seeds, columns, by_example, names) for key, seeds in cells.items()]
    return Side(str(path), tuple(read))


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """The rows with their lines, and the names of the columns; a byte order mark is left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            return rows, list(reader.fieldnames or ())
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV in UTF-8: {error}") from error


def _seed(path: Path, line: int, row: Mapping[str, str], columns: Columns) -> int:
    """The seed of a row; 0 in a file that has none."""
    text = row.get(columns.seed)
    if text is None:
        return 0
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{path}, line {line}: {columns.seed} {text!r} is no whole number") from None


def _cell(
    path: Path,
    key: tuple[str, ...],
    seeds: Mapping[int, Mapping[str, Mapping[str, str]]],
    columns: Columns,
    by_example: bool,
    names: Iterable[str],
) -> Measured:
    numbers = {
        seed: {example: _number(path, row, columns.metric) for example, row in rows.items()}
        for seed, rows in seeds.items()
    }
    every = [value for each in numbers.values() for value in each.values() if value is not None]
    share = bool(every) and min(every) >= 0 and max(every) <= 1
    figures = [_figure(columns, "share" if share else "number")]
    order = sorted(next(iter(seeds.values())))  # so that the examples of both sides are in the same order
    scores = {}
    if by_example:
        for seed, each in numbers.items():
            if sorted(each) != order or None in each.values():
                raise UserError(f"{path}: seed {seed} of {' × '.join(key)} has other examples than the first seed has")
            scores[seed] = np.array([each[example] for example in order])
    values = {seed: float(scores[seed].mean()) for seed in scores} or {
        seed: value for seed, each in numbers.items() if (value := next(iter(each.values()))) is not None
    }
    images = None if by_example else _number(path, next(iter(next(iter(seeds.values())).values())), IMAGES)
    sample = Sample(values, scores, len(order) if by_example else None if images is None else int(images), share)
    costs = [] if by_example else [each for each in COSTS if each.name in names and each.name != columns.metric]
    measured = {columns.metric: values}
    for cost in costs:
        found = {seed: _number(path, next(iter(rows.values())), cost.name) for seed, rows in seeds.items()}
        measured[cost.name] = {seed: value for seed, value in found.items() if value is not None}
        figures.append(Figure(cost.name, cost.heading, cost.unit, cost.better, exact=not cost.varies))
    decisive = {"examples": _digest(order)} if by_example else {IMAGES: images}
    return Measured(key, key, tuple(figures), sample, measured, decisive=decisive)


def _figure(columns: Columns, unit: Unit) -> Figure:
    return Figure(columns.metric, columns.metric, unit, columns.better, metric=True)


def _digest(examples: Iterable[str]) -> str:
    """What examples a cell was tested on, in short."""
    import hashlib

    return hashlib.sha256("\n".join(examples).encode()).hexdigest()[:16]


def _number(path: Path, row: Mapping[str, str], column: str) -> float | None:
    """A figure of a row; None of an empty field, or a column that there is not."""
    text = (row.get(column) or "").strip()
    if not text:
        return None
    try:
        value = TRUTHS.get(text.lower())
        value = float(text) if value is None else value
    except ValueError:
        raise UserError(f"{path}, line {row['']}: {column} {text!r} is no number") from None
    if not math.isfinite(value):
        raise UserError(f"{path}, line {row['']}: {column} {text!r} is not finite")
    return value
