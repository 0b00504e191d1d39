"""Cells over several datasets: ranks, and where metrics can be added, their mean with an interval over datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

import pytest
from builders import columns, make_cell, make_record, report_of
from scipy.stats import t

from tlbench.report.over_datasets import OverDatasets, over_datasets
from tlbench.report.tables import tables
from tlbench.results.column import Column

VALUES = {"a": (0.9, 0.8), "b": (0.7, 0.75), "c": (0.5, 0.4)}
"""By dataset, the metrics of freeze and full."""


def errors(task: str) -> Sequence[Column]:
    """The same columns, as if the metric were an error."""
    first, *others = columns(task)
    return (replace(first, better="lower", unit="number"), *others)


def over(suites: dict[str, tuple[str, ...]], columns_of_task: object = columns) -> list[OverDatasets]:
    records = [
        make_record(make_cell(strategy=f"builtin/{strategy}", dataset=dataset), seed, value)
        for dataset, values in VALUES.items()
        for strategy, value in zip(("freeze", "full"), values, strict=True)
        for seed in range(2)
    ]
    return over_datasets(tables(report_of(records, columns=columns_of_task)), suites)  # type: ignore[arg-type]


def test_a_suite_and_all_datasets_are_compared_over_by_themselves() -> None:
    assert [found.heading for found in over({"two": ("a", "b")})] == [
        "Over 2 datasets of the suite two", "Over 3 datasets",
    ]  # fmt: skip
    assert [found.heading for found in over({"three": ("a", "b", "c")})] == ["Over 3 datasets of the suite three"]
    assert [found.heading for found in over({"more": ("a", "z")})] == ["Over 3 datasets"]


def test_the_mean_has_students_interval_over_datasets() -> None:
    (found,) = over({})
    assert list(found.columns) == ["backbone", "strategy", "mean", "mean_rank", "rank", "wins"]
    values = [each[0] for each in VALUES.values()]
    reach = stdev(values) / 3**0.5 * t.ppf(0.975, 2)
    assert found.means is not None
    mean = found.means[0]
    assert (mean.mean, mean.half_width) == pytest.approx((fmean(values), reach), abs=2e-3)
    freeze = next(line for line in found.lines() if line[1] == "freeze")
    assert freeze[2].startswith("70.0% ±49.") and freeze[3:] == ("1.33", "a", "2")


def test_errors_are_ranked_and_not_added() -> None:
    (found,) = over({}, errors)
    assert found.means is None and "mean" not in found.columns
    assert not any(line.startswith("Mean:") for line in found.footer())
    assert found.ranks.mean_ranks == pytest.approx((5 / 3, 4 / 3))
