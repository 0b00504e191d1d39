"""Columns are declared once: metrics of any task, lower ones among them, and plugins' figures, in every report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from builders import (
    columns,
    make_cell,
    make_failure,
    make_metrics,
    make_plan,
    make_record,
    no_examples,
    report_of,
    table_of,
)
from rich.console import Console

from tlbench.plan import Plan
from tlbench.plan.plan import MetricPlan, TaskPlan
from tlbench.report.documents import to_csv, to_markdown
from tlbench.report.footer import footer
from tlbench.report.rows import Row, rows
from tlbench.report.table import print_tables
from tlbench.report.tables import DatasetTable
from tlbench.results.column import Column
from tlbench.results.columns import COSTS, columns_of
from tlbench.results.records import Record

MAE = MetricPlan(name="mae", heading="MAE", better="lower", unit="number", description="the mean absolute error")
R2 = MetricPlan(name="r2", heading="R²", better="higher", unit="fraction")
REGRESSION = make_plan().model_copy(update={"tasks": {"tasks/regression": TaskPlan(primary="mae", metrics=(R2, MAE))}})


def grams(record: Record) -> float | None:
    return None if record.cost is None else record.cost.paid_seconds / 4


GRAMS = Column("grams", "CO2", "number", "lower", grams)
QUIET = Column("watts", "Watts", "number", None, lambda _record: 65.0, tables=False)


def of_regression(task: str) -> Sequence[Column]:
    return columns_of(REGRESSION, task)


def of_plugins(task: str) -> Sequence[Column]:
    return columns_of(make_plan(), task, own=(GRAMS, QUIET))


def measured(name: str, mae: float, seed: int = 0, **metrics: Any) -> Record:
    """The record of a regression."""
    values = make_metrics(0.0, primary="mae", test={"mae": mae, "r2": 0.5}, val={"mae": mae}, **metrics)
    record = make_record(make_cell(f"a/{name}", task="tasks/regression"), seed)
    return record.model_copy(update={"metrics": values})


def absolute_errors(means: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Twenty images' errors, one backbone's like another's but for the mean."""
    plain = np.linspace(0.5, 1.5, 20)
    return {f"a/{name}": mean * plain for name, mean in means.items()}


def printed(records: Iterable[Record], columns: Any, examples: Any = no_examples) -> str:
    file = io.StringIO()
    print_tables(report_of(records, examples, columns), Console(file=file, width=240))
    return file.getvalue()


def line_of(output: str, name: str) -> list[str]:
    return next(line for line in output.splitlines() if line.startswith(f"{name} ")).split()


def rows_of(records: Iterable[Record], plan: Plan = REGRESSION) -> list[Row]:
    return rows(records, no_examples, lambda task: columns_of(plan, task))


def test_of_a_metric_where_lower_is_better_the_lowest_is_marked() -> None:
    means = {"good": 1.5, "bad": 20.0, "middling": 4.25}
    errors = absolute_errors(means)
    records = [measured(name, mae) for name, mae in means.items()]

    def examples(record: Record) -> np.ndarray:
        return errors[record.trial.cell.backbone]

    assert {place for place in table_of(records, examples, of_regression).best if place[1] == "mae"} == {(0, "mae")}
    output = printed(records, of_regression, examples)
    assert line_of(output, "good")[3:5] == ["1.50", "±0.20*"]
    assert line_of(output, "bad")[3:5] == ["20.0", "±2.7"]
    assert output.count("*") == 2  # and that which explains it


def test_a_table_of_another_task_has_its_own_heading_and_says_that_lower_is_better() -> None:
    output = printed([measured("x", 1.5), measured("y", 2.5)], of_regression)
    assert output.splitlines()[2].split()[:4] == ["Backbone", "Strategy", "Weights", "MAE"]
    assert "Accuracy" not in output and "R²" not in output
    assert "MAE: the mean absolute error; lower is better." in output.splitlines()
    assert "is better" not in printed([make_record(make_cell())], columns)


def test_without_errors_of_images_the_interval_is_that_of_the_seeds_and_names_the_metric() -> None:
    (row,) = rows_of(measured("x", value, seed) for seed, value in enumerate((1.0, 2.0, 3.0)))
    assert row.primary is not None
    assert (row.primary.mean, row.primary.half_width) == (2.0, pytest.approx(2.484, rel=0.01))  # t(2) · 1 / √3
    assert any(
        line.startswith("±: distance from the MAE to the farther end of its 95 % interval, which includes")
        for line in footer(DatasetTable("a", (row,)))
    )
    (alone,) = rows_of([measured("x", 1.5)])
    assert alone.primary is not None and alone.primary.half_width is None
    assert not any("±" in line for line in footer(DatasetTable("a", (alone,))))


def test_rows_of_one_seed_that_can_not_be_told_apart_by_their_errors_are_marked_together() -> None:
    random = np.random.default_rng(0)
    errors = {f"a/{name}": random.gamma(2.0, 1.0, 60) for name in "xy"} | {"a/z": random.gamma(2.0, 9.0, 60)}
    records = [measured(name[2:], float(each.mean())) for name, each in errors.items()]
    table = table_of(records, lambda record: errors[record.trial.cell.backbone], of_regression)
    assert {number for number, column in table.best if column == "mae"} == {0, 1}


def test_documents_of_another_task_have_its_metrics() -> None:
    records = [measured("x", 1.5, chance=8.0), measured("y", 2.5), make_failure(make_cell(task="tasks/regression"))]
    first, second, failed = csv.DictReader(io.StringIO(to_csv(records, of_regression)), strict=True)
    assert (first["task"], first["primary_metric"]) == ("tasks/regression", "mae")
    assert [float(first[name]) for name in ("mae", "r2", "val_mae", "chance")] == [1.5, 0.5, 1.5, 8.0]
    assert "accuracy" not in first
    assert (second["chance"], failed["mae"], failed["primary_metric"]) == ("", "", "")
    markdown = to_markdown(report_of(records[:2], columns=of_regression))
    assert "| Backbone | Strategy | Weights | MAE | Passes |" in markdown
    assert "| x | freeze | pretrained | **1.50** |" in markdown
    assert "| y | freeze | pretrained | 2.50 |" in markdown
    assert "MAE: the mean absolute error; lower is better." in markdown


def test_the_primary_metric_comes_first_and_stands_alone_in_tables() -> None:
    names = [(column.name, column.tables) for column in of_regression("tasks/regression")]
    assert names[:2] == [("mae", True), ("r2", False)]
    assert [name for name, _ in names[2:]] == [column.name for column in COSTS]


def test_a_column_of_a_plugin_stands_in_the_table_and_the_best_of_it_is_marked() -> None:
    records = [make_record(make_cell(f"a/{name}"), paid_seconds=paid) for name, paid in (("x", 6.0), ("y", 1234.0))]
    output = printed(records, of_plugins)
    headings = output.splitlines()[2].split()
    assert headings[-3:] == ["Params", "CO2", "Status"]
    assert [line_of(output, name)[-2:] for name in "xy"] == [["1.50*", "ok"], ["308", "ok"]]
    assert "Watts" not in output


def test_a_column_of_a_plugin_is_the_median_over_seeds_and_empty_where_nothing_was_measured() -> None:
    cell = make_cell()
    table = rows(
        [
            *(make_record(cell, seed, paid_seconds=paid) for seed, paid in enumerate((4.0, 8.0, 400.0))),
            make_failure(make_cell("a/bad")),
        ],
        no_examples,
        of_plugins,
    )
    assert [row.figures["grams"] for row in table] == [2.0, None]
    assert table[0].ranges["grams"] == (1.0, 100.0)
    assert line_of(printed([make_failure(make_cell("a/bad"))], of_plugins), "bad")[-2:] == ["–", "failed"]


def test_a_column_of_a_plugin_stands_in_markdown() -> None:
    records = [make_record(make_cell(f"a/{name}"), paid_seconds=paid) for name, paid in (("x", 6.0), ("y", 8.0))]
    heading, _, *lines = [
        line for line in to_markdown(report_of(records, columns=of_plugins)).splitlines() if "|" in line
    ]
    assert heading.endswith("| Params | CO2 | Status |")
    assert [line.split(" | ")[-2] for line in lines] == ["**1.50**", "2.00"]


def test_a_column_of_a_plugin_stands_in_csv_even_if_no_table_shows_it() -> None:
    records = [make_record(make_cell("a/x"), paid_seconds=6.0), make_failure(make_cell("a/bad"))]
    good, bad = csv.DictReader(io.StringIO(to_csv(records, of_plugins)), strict=True)
    assert (float(good["grams"]), float(good["watts"])) == (1.5, 65.0)
    assert (bad["grams"], bad["watts"]) == ("", "65.0")
