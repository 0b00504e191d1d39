"""Cells compared over several datasets, each dataset weighing the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.stats.ranks import Ranks, ranks
from tlbench.words import counted

OF_THE_DATA = {"image_size", "train_size", "test_size", "precision", "memory_format", "asked_batch_size"}
"""What of a protocol may differ from dataset to dataset."""


@dataclass(frozen=True)
class OverDatasets:
    """Rows of the same backbone and strategy on each of some datasets, and their mean ranks; the best first."""

    NAMES: ClassVar = ("backbone", "strategy", "mean_rank", "rank", "wins")
    HEADINGS: ClassVar = ("Backbone", "Strategy", "Mean rank", "Rank", "Best on")

    rows: tuple[tuple[Row, ...], ...]
    ranks: Ranks

    @property
    def heading(self) -> str:
        """What is compared over what."""
        return f"Over {counted(self.ranks.datasets, 'dataset')}"

    def lines(self) -> Iterator[tuple[str, ...]]:
        """The text of each row."""
        for place in np.argsort(self.ranks.mean_ranks, kind="stable"):
            row = self.rows[place][0]
            rank, wins = self.ranks.mean_ranks[place], self.ranks.wins[place]
            yield row.backbone, row.strategy, f"{rank:.2f}", self.ranks.places[place], str(wins)

    def footer(self) -> list[str]:
        """What the ranks mean."""
        found = self.ranks
        line = (
            f"Mean rank: each dataset ranks the rows by their mean metric, and weighs the same however many seeds it "
            f"has. Mean ranks that are up to {found.critical_difference:.2f} apart are not told apart (critical "
            f"difference of Nemenyi's test, 5 % level){', and share a letter' if found.lettered else ''}."
        )
        if found.p_value is not None:
            line += f" Friedman's test of no difference at all: p = {found.p_value:.2g}."
        return [line]


def over_datasets(found: Sequence[DatasetTable]) -> list[OverDatasets]:
    """The rows that every dataset has, ranked; nothing where there is one dataset, or less than two rows in common."""
    by_dataset = [
        {_key(row): row for row in table.rows if row.can_be_best and row.primary is not None} for table in found
    ]
    if len(by_dataset) < 2:
        return []
    keys = [key for key in by_dataset[0] if all(key in each for each in by_dataset)]
    if len(keys) < 2:
        return []
    values = np.array([[each[key].primary.mean for key in keys] for each in by_dataset])  # type: ignore[union-attr]
    better = [each[keys[0]].metric.better or "higher" for each in by_dataset]
    return [OverDatasets(tuple(tuple(each[key] for each in by_dataset) for key in keys), ranks(values, better))]


def _key(row: Row) -> tuple[str, ...]:
    """What is the same cell on another dataset: what follows from the data is left out."""
    cell = row.cell
    protocol = cell.protocol.model_dump_json(exclude=OF_THE_DATA)
    return cell.backbone, cell.strategy, cell.device, cell.weights.kind, protocol
