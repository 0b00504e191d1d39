"""What tables say of models beyond their test set: columns where there is something, curves, and what they are of."""

from __future__ import annotations

from typing import Any

from builders import TASKS, make_cell, make_plan, make_record, no_examples, report_of

from tlbench.plan.cell import Cell, ShiftPlan
from tlbench.report.detail import detail
from tlbench.report.footer import footer
from tlbench.report.selection import Selection
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.beside import CorruptionsRecord
from tlbench.results.column import Column
from tlbench.results.columns import COSTS, columns_of, robustness_columns
from tlbench.results.records import Record

TASK = next(iter(TASKS))
NOISE = make_cell("a/x", corruptions={"noise": (0.1, 0.2, 0.3, 0.4, 0.5)})
CURVE = [0.9, 0.8, 0.7, 0.6, 0.5]


def shift(dataset: str, **changes: Any) -> ShiftPlan:
    return ShiftPlan.model_validate({"dataset": dataset, "digest": "1", "test_images": 1000} | changes)


def of(cell: Cell, seed: int = 0, curve: list[float] | None = None, **metrics: Any) -> Record:
    """A record with what was measured besides."""
    record = make_record(cell, seed)
    assert record.metrics is not None
    found = None if curve is None else CorruptionsRecord(by_corruption={"noise": curve}, by_severity=curve)
    return record.model_copy(update={"metrics": record.metrics.model_copy(update=metrics), "corruptions": found})


def added(*cells: Cell) -> list[Column]:
    return list(robustness_columns(make_plan(*cells), TASK))


def table_of(*records: Record) -> DatasetTable:
    plan = make_plan(*(record.trial.cell for record in records))
    return tables(report_of(records, no_examples, lambda task: columns_of(plan, task)))[0]


def test_there_are_columns_of_what_the_plan_asks_for_alone() -> None:
    assert added(make_cell()) == []
    (corrupted,) = added(make_cell(), NOISE)
    assert (corrupted.name, corrupted.better, corrupted.unit) == ("corrupted", "higher", "fraction")
    names = [each.name for each in columns_of(make_plan(NOISE), TASK)]
    assert names == ["accuracy", "nll", "corrupted", *(each.name for each in COSTS)]
    assert corrupted.value(of(NOISE, corrupted=0.7)) == 0.7
    assert corrupted.value(make_record(make_cell())) is None


def test_datasets_whose_names_end_alike_have_columns_of_their_own() -> None:
    cell = make_cell(test_on=(shift("packaged/digits:test=50"), shift("packaged/folder:path=a/b"), shift("mine/b")))
    found = added(cell)
    assert [each.heading for each in found] == ["On digits:test=50", "On b", "On b"]
    assert [each.name for each in found] == ["accuracy_on_digits-test-50", "accuracy_on_b", "accuracy_on_b--2"]
    shifted = {plan.dataset: {"accuracy": place / 10} for place, plan in enumerate(cell.test_on)}
    assert [each.value(of(cell, shifted=shifted)) for each in found] == [0.0, 0.1, 0.2]


def test_the_footer_says_what_the_columns_are_of() -> None:
    blur = make_cell("a/y", corruptions={"blur": (1, 2, 3, 4, 6)})
    said = footer(table_of(of(NOISE, corrupted=0.7), of(blur, corrupted=0.8), make_record(make_cell("a/z"))))
    assert [line for line in said if line.startswith("Corrupted")] == [
        f"Corrupted of {name} × freeze: mean accuracy on the test images under {names} at severities 1 to 5 "
        "(docs/robustness.md)."
        for name, names in (("x", "noise"), ("y", "blur"))
    ]
    tested = make_cell(test_on=(shift("packaged/mnist-5000", train_images_shared=1),))
    said = footer(table_of(of(tested, shifted={"packaged/mnist-5000": {"accuracy": 0.4}})))
    assert "On mnist-5000: accuracy on the 1,000 test images of packaged/mnist-5000 (docs/robustness.md)." in said
    assert any(
        line.startswith("Warning: 1 test image of packaged/mnist-5000 is among the training images of packaged/digits")
        for line in said
    )
    assert not any("robustness" in line for line in footer(table_of(make_record(make_cell()))))


def test_ranked_by_it_the_footer_still_says_what_it_is_a_mean_of() -> None:
    plan, records = make_plan(NOISE), [of(NOISE, 0, CURVE, corrupted=0.7)]
    data = report_of(records, no_examples, lambda task: columns_of(plan, task))
    (table,) = tables(Selection(metric="corrupted").of(data))
    assert table.rows[0].metric.name == "corrupted"
    assert any(line.startswith("Corrupted: mean accuracy on the test images under noise") for line in footer(table))


def test_the_detail_has_the_mean_curve_over_the_seeds() -> None:
    lines = detail(table_of(of(NOISE, 0, CURVE), of(NOISE, 1, [value - 0.2 for value in CURVE])))
    begin = lines.index("Under corruptions, at severities 1 to 5:")
    assert lines[begin + 1 : begin + 3] == [
        f"  x × freeze, {name}: 80.0%, 70.0%, 60.0%, 50.0%, 40.0%" for name in ("noise", "mean")
    ]
    assert "Under corruptions, at severities 1 to 5:" not in detail(table_of(make_record(make_cell())))
