"""Which rows and columns are shown, in which order, and as which table."""

from __future__ import annotations

import io

import pytest
from builders import make_cell, make_failure, make_metrics, make_protocol, make_record, report_of
from rich.console import Console

from tlbench.errors import UserError
from tlbench.report.data import ReportData
from tlbench.report.documents import pivot_markdown, to_markdown
from tlbench.report.pivot import pivot
from tlbench.report.selection import Selection, split
from tlbench.report.table import print_pivot, print_tables
from tlbench.results.records import Record


def measured(backbone: str, strategy: str, accuracy: float, **cost: float) -> Record:
    record = make_record(make_cell(f"a/{backbone}", f"b/{strategy}"), accuracy=accuracy, **cost)
    metrics = make_metrics(accuracy, test={"accuracy": accuracy, "nll": 1 - accuracy})
    return record.model_copy(update={"metrics": metrics})


RECORDS = [
    measured("small", "full", 0.7, train_seconds=3.0),
    measured("small", "lora:r=8", 0.9, train_seconds=2.0),
    measured("large", "full", 0.8, train_seconds=9.0),
    make_failure(make_cell("a/large", "b/lora:r=8"), message="no room"),
]


def selected(*records: Record, **asked: object) -> list[str]:
    """The rows that are left, as backbone and strategy."""
    data = Selection(**asked).of(report_of(records or RECORDS))  # type: ignore[arg-type]
    return [f"{row.backbone} {row.strategy}" for row in data.rows()]


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (("strategy=lora*",), ["small lora:r=8", "large lora:r=8"]),
        (("strategy!=lora*",), ["small full", "large full"]),
        (("backbone=a/small", "strategy=b/full"), ["small full"]),
        (("accuracy>=0.8",), ["small lora:r=8", "large full"]),
        (("train_seconds<3",), ["small lora:r=8"]),
        (("status!=ok",), ["large lora:r=8"]),
        (("epochs=2", "status = ok"), ["small full", "small lora:r=8", "large full"]),
    ],
)
def test_rows_are_those_that_meet_all_conditions(conditions: tuple[str, ...], left: list[str]) -> None:
    assert selected(conditions=conditions) == left


def test_rows_are_sorted_from_the_best_and_what_was_not_measured_is_last() -> None:
    assert selected(sort="accuracy") == ["small lora:r=8", "large full", "small full", "large lora:r=8"]
    assert selected(sort="-accuracy") == ["small full", "large full", "small lora:r=8", "large lora:r=8"]
    assert selected(sort="train_seconds") == ["small lora:r=8", "small full", "large full", "large lora:r=8"]
    assert selected(sort="backbone")[:2] == ["large full", "large lora:r=8"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"conditions": ("strateg=x",)}, "there is no column 'strateg'; did you mean strategy"),
        ({"conditions": ("strategy",)}, "is no condition; write strategy=lora"),
        ({"conditions": ("strategy>x",)}, "strategy is a text; write strategy=x or strategy!=x"),
        ({"conditions": ("accuracy>high",)}, "'high' is no number"),
        ({"conditions": ("strategy=zzz",)}, "leaves no row"),
        ({"sort": "acuracy"}, "--sort acuracy: there is no column 'acuracy'; did you mean accuracy"),
        ({"columns": ("acuracy",)}, "--columns acuracy: there is no such column; did you mean accuracy"),
        ({"metric": "nl"}, "there is no such metric; did you mean nll.*there are accuracy, nll"),
    ],
)
def test_what_there_is_not_is_refused_with_what_is_near(asked: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Selection(**asked).of(report_of(RECORDS))  # type: ignore[arg-type]


def headings(data: ReportData) -> list[str]:
    line = next(
        line for line in to_markdown(data).splitlines() if line.startswith("| Backbone") or "| Accuracy" in line
    )
    return [each.strip() for each in line.strip("| ").split("|")]


def test_columns_are_the_metric_and_those_that_are_named() -> None:
    data = Selection(columns=("nll", "step_ms")).of(report_of(RECORDS))
    assert headings(data) == ["Backbone", "Strategy", "Weights", "Accuracy", "Rank", "NLL", "Step", "Status"]
    assert "Train includes" not in to_markdown(data)


def test_another_metric_takes_the_place_of_the_primary_one() -> None:
    data = Selection(metric="nll", sort="nll").of(report_of(RECORDS[:3]))
    assert [row.metric.name for row in data.rows()] == ["nll"] * 3
    assert [row.figures["nll"] for row in data.rows()] == pytest.approx([0.1, 0.2, 0.3])
    assert "NLL: lower is better." in to_markdown(data)


def test_columns_that_are_equal_in_all_rows_are_said_once() -> None:
    data = Selection(only_differing=True, conditions=("status=ok",)).of(report_of(RECORDS))
    assert "All rows: weights pretrained, rank a, passes 1" in to_markdown(data)
    assert "Weights" not in headings(data)
    file = io.StringIO()
    print_tables(data, Console(file=file, width=60))
    assert "All rows: weights pretrained" in file.getvalue()


def test_one_figure_stands_by_two_axes() -> None:
    found = pivot(report_of(RECORDS), "backbone", "strategy")
    assert found.across == ("full", "lora:r=8")
    assert found.lines == (("small", "70.0% ±24.2", "90.0% ±23.3"), ("large", "80.0% ±21.7", "failed"))
    assert "| backbone | full | lora:r=8 |" in pivot_markdown(found)
    file = io.StringIO()
    print_pivot(found, Console(file=file, width=80))
    assert [line.split()[0] for line in file.getvalue().splitlines()[2:3]] == ["backbone"]


def test_axes_that_leave_two_cells_in_one_place_are_refused() -> None:
    twice = [*RECORDS, make_record(make_cell("a/small", "b/full", protocol=make_protocol(epochs=9)))]
    with pytest.raises(UserError, match="two cells are backbone a/small and strategy b/full: they differ in epochs"):
        pivot(report_of(twice), "backbone", "strategy")
    with pytest.raises(UserError, match="--rows bakbone is no axis; did you mean backbone"):
        pivot(report_of(RECORDS), "bakbone", "strategy")


def test_names_are_split_at_commas() -> None:
    assert split(["a, b", "c", ""]) == ("a", "b", "c")
    assert split(None) == ()
