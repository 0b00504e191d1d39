"""What a table says of its rows beside each other: ranks, margins, power, several datasets, alarms."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from builders import columns, make_cell, make_metrics, make_plan, make_record, no_examples, report_of, table_of
from rich.console import Console

from tlbench.plan.plan import MetricPlan, TaskPlan
from tlbench.report.alarms import alarms
from tlbench.report.compared import compared
from tlbench.report.data import ReportData
from tlbench.report.detail import detail
from tlbench.report.documents import to_markdown
from tlbench.report.table import print_tables
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.column import Column
from tlbench.results.columns import columns_of
from tlbench.results.records import CandidateRecord, DataRecord, EpochRecord, Record

MAE = MetricPlan(name="mae", heading="MAE", better="lower", unit="number")
IMAGES = 1_000
HARD = np.random.default_rng(0).random(IMAGES)


def scores_of(record: Record) -> np.ndarray:
    """Right and wrong as the record's accuracy has it, each image as hard for all models."""
    assert record.metrics is not None and record.metrics.value is not None
    noise = np.random.default_rng([record.trial.seed, len(record.trial.cell.backbone)]).normal(0, 0.02, IMAGES)
    return HARD + noise < record.metrics.value


def measured(accuracies: Mapping[str, float], seeds: int = 3, **changes: Any) -> list[Record]:
    """A cell for each backbone; its accuracy is that of its scores."""
    data = DataRecord(train_images=100, val_images=IMAGES, test_images=IMAGES, duplicates_train_test=0)
    records = []
    for name, accuracy in accuracies.items():
        for seed in range(seeds):
            record = make_record(make_cell(f"a/{name}", **changes), seed, accuracy).model_copy(update={"data": data})
            found = float(scores_of(record).mean())
            records.append(record.model_copy(update={"metrics": make_metrics(found)}))
    return records


def table(records: list[Record], **changes: Any) -> DatasetTable:
    return tables(ReportData(records, scores_of, columns, **changes))[0]


def test_rows_that_are_not_told_apart_share_a_letter() -> None:
    found = table(measured({"x": 0.9, "yy": 0.898, "zzz": 0.7}))
    assert found.ranks == {0: "a", 1: "a", 2: "b"}
    assert {number for number, column in found.best if column == "accuracy"} == {0, 1}
    output = to_markdown(ReportData(measured({"x": 0.9, "yy": 0.7}), scores_of, columns))
    assert "| Accuracy | Rank | Passes |" in output
    assert (
        "Rank: rows that share a letter are not told apart; the best has an a (paired by seed and test image" in output
    )
    assert "Holm" not in output  # of a single comparison


def test_a_row_alone_has_no_rank() -> None:
    assert "Rank" not in to_markdown(report_of([make_record(make_cell())]))


def test_rows_that_may_not_be_compared_have_numbered_groups() -> None:
    pairs = [record for device in ("cpu", "cuda:0") for record in measured({"x": 0.9, "yy": 0.7}, device=device)]
    found = table(pairs)
    assert found.ranks == {0: "1: a", 1: "1: b", 2: "2: a", 3: "2: b"}
    assert any("The number before it" in line for line in compared(found))


def test_without_any_spread_rows_are_not_ranked() -> None:
    records = [make_record(make_cell(f"a/{name}"), accuracy=value) for name, value in (("x", 0.9), ("y", 0.8))]
    unlike = [record.model_copy(update={"data": None}) for record in records]
    assert not table_of(unlike).ranked
    assert {number for number, column in table_of(unlike).best if column == "accuracy"} == {0}


def test_the_footer_says_what_could_have_been_found_and_what_a_point_takes() -> None:
    said = " ".join(compared(table(measured({"x": 0.9, "yy": 0.7}))))
    assert "Smallest difference of neighbours in rank that is found in 80 % of cases: " in said
    assert "points" in said
    one = " ".join(compared(table(measured({"x": 0.9, "yy": 0.7}, seeds=1))))
    assert "With one seed, rows are told apart as trained models" in one
    assert "With one seed" not in said


def test_with_a_margin_it_says_who_is_practically_as_good_as_the_best() -> None:
    records = measured({"x": 0.9, "yy": 0.9, "zzz": 0.7})
    (said,) = [line for line in compared(table(records, margin=3)) if line.startswith("Practically")]
    assert said == (
        "Practically equal to x × freeze, the best (less than 3 points from it, two one-sided tests): yy × freeze."
    ) or said == (
        "Practically equal to yy × freeze, the best (less than 3 points from it, two one-sided tests): x × freeze."
    )
    assert not any(line.startswith("Practically") for line in compared(table(records)))


def test_detail_compares_each_row_with_the_best() -> None:
    lines = detail(table(measured({"x": 0.9, "yy": 0.7})))
    assert lines[0].startswith("Beside the best of comparable rows (95 % interval of the difference")
    assert lines[1].startswith("  yy × freeze: -") and lines[1].endswith("p < 0.001: worse")


def two_datasets() -> list[Record]:
    return [
        record
        for dataset, accuracies in (("a/one", (0.9, 0.8, 0.7)), ("a/two", (0.6, 0.5, 0.4)))
        for record in measured(dict(zip(("x", "yy", "zzz"), accuracies, strict=True)), dataset=dataset)
    ]


def test_over_several_datasets_rows_have_mean_ranks() -> None:
    output = to_markdown(ReportData(two_datasets(), scores_of, columns))
    rows = [line for line in output.partition("**Over 2 datasets**")[2].splitlines() if line.startswith("|")]
    means = [float(row.split(" | ")[2].partition("%")[0]) for row in rows[2:]]
    assert means == sorted(means, reverse=True) and means == pytest.approx([75, 65, 55], abs=3)
    assert [row.split(" | ")[:2] + row.split(" | ")[3:] for row in rows[2:]] == [
        ["| x", "freeze", "1.00", "a", "2 |"],
        ["| yy", "freeze", "2.00", "a", "0 |"],
        ["| zzz", "freeze", "3.00", "a", "0 |"],
    ]
    assert "Mean ranks that are up to 2.34 apart are not told apart" in output
    assert "Friedman's test of no difference at all: p = 0.14." in output


def test_over_several_datasets_only_rows_count_that_each_of_them_has() -> None:
    file = io.StringIO()
    records = [record for record in two_datasets() if record.trial.cell.backbone != "a/zzz"]
    records += measured({"other": 0.99}, dataset="a/one")
    print_tables(ReportData(records, scores_of, columns), Console(file=file, width=160))
    assert "other" not in file.getvalue().partition("Over 2 datasets")[2]
    assert "Over" not in to_markdown(ReportData(records[-6:], scores_of, columns))


def test_a_row_that_is_no_better_than_a_baseline_is_named() -> None:
    records = [*measured({"x": 0.9, "yy": 0.5}), *measured({"image-stats": 0.52}, strategy="b/majority")]
    (said,) = alarms(table(records, baselines={"b/majority"}))
    assert said.startswith("Warning: yy × freeze is no better than the baseline majority (4")
    assert alarms(table(records)) == []


def of_regression(task: str) -> Sequence[Column]:
    plan = make_plan().model_copy(update={"tasks": {"tasks/regression": TaskPlan(primary="mae", metrics=(MAE,))}})
    return columns_of(plan, task)


def regression(name: str, mae: float, **changes: Any) -> Record:
    record = make_record(make_cell(f"a/{name}", task="tasks/regression", **changes))
    return record.model_copy(update={"metrics": make_metrics(0.0, primary="mae", test={"mae": mae}, val={})})


def test_a_baseline_of_a_metric_that_had_better_be_low_is_beaten_from_below() -> None:
    plain = np.linspace(0.5, 1.5, 50)

    def errors(record: Record) -> np.ndarray:
        return plain * {"a/good": 1.0, "a/bad": 6.0}.get(record.trial.cell.backbone, 5.0)

    records = [regression("good", 1.0), regression("bad", 6.0), regression("trivial", 5.0, strategy="b/majority")]
    found = tables(ReportData(records, errors, of_regression, baselines={"b/majority"}))[0]
    assert [line.partition(" is no")[0] for line in alarms(found)] == ["Warning: bad × freeze"]


def with_loss(record: Record, nll: float, accuracy: float = 0.9, **changes: Any) -> Record:
    metrics = make_metrics(accuracy, test={"accuracy": accuracy, "nll": nll})
    history = [EpochRecord(phase=0, epoch=1, train_loss=0.5)]
    return record.model_copy(update={"metrics": metrics, "history": history} | changes)


def test_bit_identical_results_of_two_backbones_seeds_or_rates_are_named() -> None:
    cells = make_cell("a/x"), make_cell("a/y")
    same = [with_loss(make_record(cell), 0.123456) for cell in cells]
    assert alarms(table_of(same)) == [
        "Warning: x × freeze, y × freeze have bit-identical results, although they differ in backbone."
    ]
    seeds = [with_loss(make_record(cells[0], seed), 0.123456) for seed in (0, 1)]
    assert alarms(table_of(seeds)) == [
        "Warning: x × freeze: seeds 0, 1 have bit-identical results; the seed has no effect."
    ]
    tuning = [
        CandidateRecord(learning_rate=rate, val=0.9, val_loss=loss, seconds=1.0)
        for rate, loss in ((0.1, 0.3), (0.2, 0.3), (0.3, 0.4))
    ]
    tuned = with_loss(make_record(cells[0]), 0.2, tuning=tuning)
    assert alarms(table_of([tuned])) == [
        "Warning: x × freeze: learning rates 0.1, 0.2 have bit-identical results; the rate has no effect."
    ]


def test_equal_accuracies_alone_are_no_alarm_and_neither_are_seeds_of_a_closed_form() -> None:
    cells = make_cell("a/x"), make_cell("a/y")
    assert alarms(table_of([make_record(cell) for cell in cells])) == []
    assert (
        alarms(table_of([with_loss(make_record(cell), nll) for cell, nll in zip(cells, (0.21, 0.22), strict=True)]))
        == []
    )
    seeds = [with_loss(make_record(cells[0], seed), 0.123456, history=[]) for seed in (0, 1)]
    assert alarms(table_of(seeds)) == []


@pytest.mark.parametrize(("test", "val", "alarming"), [(0.95, 0.7, True), (0.92, 0.9, False), (0.7, 0.95, False)])
def test_test_far_above_val_is_an_alarm(test: float, val: float, alarming: bool) -> None:
    (record,) = measured({"x": 0.9}, seeds=1)
    metrics = make_metrics(test, val={"accuracy": val})
    found = alarms(tables(report_of([record.model_copy(update={"metrics": metrics})]))[0])
    assert [line.startswith("Warning: x × freeze has 95.0% on test and 70.0% on val") for line in found] == [
        True
    ] * alarming


def test_no_alarm_is_raised_of_plausible_rows() -> None:
    assert alarms(table(measured({"x": 0.9, "yy": 0.7}))) == []
    assert alarms(tables(ReportData(measured({"x": 0.9}), no_examples, columns))[0]) == []
