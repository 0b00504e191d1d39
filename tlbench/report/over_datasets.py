"""Cells compared over several datasets, each dataset weighing the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlbench.report import text
from tlbench.report.rows import Row
from tlbench.report.tables import DatasetTable
from tlbench.results.column import POINTS
from tlbench.stats import Estimate, Sample, interval
from tlbench.stats.ranks import Ranks, ranks
from tlbench.words import counted

OF_THE_DATA = {"image_size", "train_size", "test_size", "precision", "memory_format", "asked_batch_size"}
"""What of a protocol may differ from dataset to dataset."""
RANKED = {"mean_rank": "Mean rank", "rank": "Rank", "wins": "Best on"}


@dataclass(frozen=True)
class OverDatasets:
    """Rows of the same backbone and strategy on each of some datasets, and their mean ranks; the best first.

    `suite` is the name of the datasets together, where they have one. `means` are those of the metrics over the
    datasets, with their intervals; None where the metrics are no shares or fractions of which more is better.
    """

    rows: tuple[tuple[Row, ...], ...]
    ranks: Ranks
    suite: str | None
    means: tuple[Estimate, ...] | None

    @property
    def columns(self) -> dict[str, str]:
        """The headings of the columns, by name."""
        mean = {} if self.means is None else {"mean": "Mean"}
        return {"backbone": "Backbone", "strategy": "Strategy", **mean, **RANKED}

    @property
    def heading(self) -> str:
        """What is compared over what."""
        over = f"Over {counted(self.ranks.datasets, 'dataset')}"
        return over if self.suite is None else f"{over} of the suite {self.suite}"

    def lines(self) -> Iterator[tuple[str, ...]]:
        """The text of each row."""
        for place in np.argsort(self.ranks.mean_ranks, kind="stable"):
            row = self.rows[place][0]
            rank, wins = self.ranks.mean_ranks[place], self.ranks.wins[place]
            mean = () if self.means is None else (text.metric(self.means[place], "fraction"),)
            yield row.backbone, row.strategy, *mean, f"{rank:.2f}", self.ranks.places[place], str(wins)

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
        if self.means is None:
            return [line]
        return ["Mean: of the metric over the datasets; ±: half its 95 % interval over datasets (Student's t).", line]


def over_datasets(found: Sequence[DatasetTable], suites: Mapping[str, Sequence[str]]) -> list[OverDatasets]:
    """The rows that every dataset of a suite has, ranked; and those of all datasets, unless that is a suite.

    Nothing where there is one dataset, or less than two rows in common.
    """
    by_name = {table.dataset: table for table in found}
    parts: list[tuple[str | None, list[DatasetTable]]] = [
        (name, [by_name[member] for member in members])
        for name, members in suites.items()
        if all(member in by_name for member in members)
    ]
    if all(len(tables) < len(found) for _, tables in parts):
        parts.append((None, list(found)))
    return [each for name, tables in parts if (each := _ranked(name, tables)) is not None]


def _ranked(suite: str | None, found: Sequence[DatasetTable]) -> OverDatasets | None:
    by_dataset = [
        {_key(row): row for row in table.rows if row.can_be_best and row.primary is not None} for table in found
    ]
    if len(by_dataset) < 2:
        return None
    keys = [key for key in by_dataset[0] if all(key in each for each in by_dataset)]
    if len(keys) < 2:
        return None
    values = np.array([[each[key].primary.mean for key in keys] for each in by_dataset])  # type: ignore[union-attr]
    better = [each[keys[0]].metric.better or "higher" for each in by_dataset]
    rows = tuple(tuple(each[key] for each in by_dataset) for key in keys)
    return OverDatasets(rows, ranks(values, better), suite, _means(rows, values))


def _means(rows: Sequence[Sequence[Row]], values: np.ndarray) -> tuple[Estimate, ...] | None:
    """The mean of each row's metrics, where these can be added: more is better of each, from 0 to 1."""
    metrics = [row.metric for row in rows[0]]
    if any(metric.unit not in POINTS or metric.better != "higher" for metric in metrics):
        return None
    return tuple(interval(Sample(dict(enumerate(column)), share=True)) for column in values.T.tolist())


def _key(row: Row) -> tuple[str, ...]:
    """What is the same cell on another dataset: what follows from the data is left out."""
    cell = row.cell
    protocol = cell.protocol.model_dump_json(exclude=OF_THE_DATA)
    source = "" if cell.source_model is None else cell.source_model.name
    return cell.backbone, source, cell.strategy, cell.device, cell.weights.kind, protocol
