"""The tables of a run: the rows of each dataset, and what comparing them has found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tlbench.contracts.task import merit
from tlbench.report.data import ReportData
from tlbench.report.rows import Row
from tlbench.results.column import Column, in_unit
from tlbench.stats import Family, Pair, family


@dataclass(frozen=True)
class Group:
    """Rows of a table that may be ranked, by their numbers, the best first, and the comparisons of all pairs of them.

    `ranks` is empty where one row is alone; `lettered` says whether they are letters.
    """

    numbers: tuple[int, ...]
    family: Family
    ranks: Mapping[int, str]

    @property
    def lettered(self) -> bool:
        """Whether ranks are letters, which rows share that are not told apart."""
        return all(each.isalpha() for each in self.ranks.values())

    def pair(self, ours: int, theirs: int) -> Pair:
        """One row compared with another one, by their numbers in the table."""
        return self.family.pair(self.numbers.index(ours), self.numbers.index(theirs))

    def alike(self, ours: int, theirs: int) -> bool:
        """Whether two rows are not told apart; of those whose spread is unknown, only if they are equal."""
        found = self.pair(ours, theirs)
        return found.difference.value == 0 if found.verdict == "unknown" else not found.differs

    def with_best(self, number: int) -> Pair:
        """A row compared with the one whose mean is best."""
        return self.pair(number, self.numbers[0])


@dataclass(frozen=True)
class DatasetTable:
    """The rows of one dataset, and the groups of those that may be ranked beside each other.

    `baselines` are those of `ReportData`; `margin` is in the unit of the primary metric.
    """

    dataset: str
    rows: tuple[Row, ...]
    baselines: Collection[str] = ()
    margin: float | None = None
    only_differing: bool = False

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Rows with the same images, protocol and as good a start, that have learned something."""
        found: dict[tuple[str, ...], list[int]] = {}
        for number, row in enumerate(self.rows):
            if row.can_be_best and row.primary is not None:
                found.setdefault(row.comparable, []).append(number)
        return tuple(_group(self.rows, numbers, self.margin) for numbers in found.values())

    @property
    def largest(self) -> Group | None:
        """The group of most rows, which an answer for the whole table is of; None where no row may be ranked."""
        return max(self.groups, key=lambda group: len(group.numbers), default=None)

    def group(self, number: int) -> Group | None:
        """The group of a row; None where it may not be ranked."""
        return next((group for group in self.groups if number in group.numbers), None)

    @property
    def ranked(self) -> bool:
        """Whether any rows are compared."""
        pairs = (pair for group in self.groups for pair in group.family.pairs.values())
        return any(pair.verdict != "unknown" for pair in pairs)

    @cached_property
    def ranks(self) -> dict[int, str]:
        """By the number of a row, its rank; of several groups, with the group's number before it."""
        several = [group for group in self.groups if len(group.numbers) > 1]
        return {
            row: f"{place}: {rank}" if len(several) > 1 else rank
            for place, group in enumerate(several, 1)
            for row, rank in group.ranks.items()
        }

    @cached_property
    def best(self) -> set[tuple[int, str]]:
        """Which places (row number, column) hold the best value of comparable rows, or one that may be as good.

        Primary metrics are compared in pairs; costs are alike where their ranges over the seeds overlap. Of a row
        alone, or of rows that are all equal, none is marked.
        """
        places: set[tuple[int, str]] = set()
        for group in self.groups:
            for column in self.rows[group.numbers[0]].columns:
                if column.better is not None and column.tables:
                    places |= {(number, column.name) for number in self._alike(group, column)}
        return places

    def _alike(self, group: Group, column: Column) -> Sequence[int]:
        """The rows that are best in a column, or may be."""
        if column.timed and len({self.rows[number].machines for number in group.numbers}) > 1:
            return ()
        found = {number: self.rows[number].figures[column.name] for number in group.numbers}
        values = {number: value for number, value in found.items() if value is not None}
        if len(set(values.values())) < 2:
            return ()
        winner = (max if column.better == "higher" else min)(values, key=values.__getitem__)
        if column is self.rows[winner].metric:
            return [number for number in values if number == winner or group.alike(number, winner)]
        low, high = self.rows[winner].ranges[column.name]
        ranges = {number: self.rows[number].ranges[column.name] for number in values}
        return [number for number, (lowest, highest) in ranges.items() if lowest <= high and low <= highest]


def tables(data: ReportData) -> list[DatasetTable]:
    """A table for each dataset, in the order in which they first appear."""
    found: dict[str, list[Row]] = {}
    for row in data.rows():
        found.setdefault(row.cell.dataset, []).append(row)
    return [
        DatasetTable(dataset, tuple(group), data.baselines, _margin(data.margin, group[0].metric), data.only_differing)
        for dataset, group in found.items()
    ]


def _margin(declared: float | None, metric: Column) -> float | None:
    """A margin in the metric's unit; of a share it is declared in points."""
    return None if declared is None else in_unit(declared, metric.unit)


def _group(table: Sequence[Row], numbers: list[int], margin: float | None) -> Group:
    better = table[numbers[0]].metric.better or "higher"
    ordered = sorted(numbers, key=lambda number: -merit(better, _mean(table[number])))
    compared = family([table[number].sample for number in ordered], better, margin)
    ranks = compared.ranks(range(len(ordered)))
    return Group(tuple(ordered), compared, {ordered[place]: each for place, each in ranks.items()})


def _mean(row: Row) -> float:
    assert row.primary is not None
    return row.primary.mean
