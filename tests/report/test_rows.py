"""Records become rows: seeds summed up, and the best found among rows that may be ranked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from builders import (
    FALLBACK,
    SCRATCH,
    columns,
    make_cell,
    make_failure,
    make_metrics,
    make_phase,
    make_protocol,
    make_record,
    no_examples,
)

from tlbench.plan import WeightsPlan
from tlbench.report.rows import Row, rows
from tlbench.report.tables import DatasetTable
from tlbench.results.records import Record
from tlbench.stats import Sample, interval

REQUESTED = WeightsPlan(kind="random", reason="requested")
UNPUBLISHED = WeightsPlan(kind="random", reason="none-published")


def rows_of(records: Iterable[Record]) -> list[Row]:
    return rows(records, no_examples, columns)


def marked(table: list[Row]) -> set[tuple[int, str]]:
    """The marks that a person sees, in a table of all these rows."""
    return DatasetTable("packaged/digits", tuple(table)).best


def at_chance(record: Record) -> Record:
    """The same of a model that has learned nothing."""
    return record.model_copy(update={"metrics": make_metrics(0.5, at_chance=True)})


def test_a_row_for_each_cell_in_order_of_appearance() -> None:
    cells = [make_cell("z/last"), make_cell("a/first"), make_cell("m/middle")]
    table = rows_of(make_record(cell, seed) for seed in (0, 1) for cell in cells)
    assert [row.cell for row in table] == cells


def test_accuracy_is_the_mean_over_seeds_with_an_interval_of_seeds_and_test_images() -> None:
    cell, values = make_cell(), [0.8, 0.9, 0.94]
    (row,) = rows_of(make_record(cell, seed, value) for seed, value in enumerate(values))
    assert row.primary == interval(Sample(dict(enumerate(values)), examples=20, share=True))
    assert row.test_images == 20


def test_seeds_that_have_learned_nothing_are_counted() -> None:
    cell = make_cell()
    (row,) = rows_of([at_chance(make_record(cell, 0)), make_record(cell, 1), make_failure(cell, 2)])
    assert (row.at_chance, row.done) == (1, 2)


def test_costs_are_medians_over_seeds() -> None:
    cell = make_cell()
    (row,) = rows_of(
        make_record(
            cell,
            seed,
            train_seconds=value,
            images_per_second=10 * value,
            peak_memory_bytes=int(value),
            inference_images_per_second=value / 2,
        )
        for seed, value in enumerate([1.0, 100.0, 4.0])
    )
    names = ("train_with_features_seconds", "images_per_second", "peak_memory_bytes", "inference_images_per_second")
    assert [row.figures[name] for name in names] == [4.0, 40.0, 4, 2.0]
    assert [row.ranges[name] for name in names] == [(1.0, 100.0), (10.0, 1000.0), (1, 100), (0.5, 50.0)]


def test_what_no_seed_measured_is_none_and_one_seed_is_enough() -> None:
    cell = make_cell()
    (none,) = rows_of([make_record(cell, passes=None, images_per_second=None)])
    assert none.figures["passes"] is None
    assert none.figures["images_per_second"] is None
    assert "passes" not in none.ranges
    (some,) = rows_of([make_record(cell, 0, images_per_second=None), make_record(cell, 1, images_per_second=50.0)])
    assert some.figures["images_per_second"] == 50.0


def test_a_failed_row_says_why_and_has_no_figures() -> None:
    (row,) = rows_of([make_failure(make_cell(), status="diverged", message="nan", phase=1, step=17)])
    assert row.status == "diverged"
    assert row.reasons == ("seed 0: diverged: nan (phase 1, step 17)",)
    assert row.primary is None
    assert {column.name for column in row.columns} == row.figures.keys()
    assert set(row.figures.values()) == {None}


def test_seeds_that_ended_differently_are_counted_and_the_good_ones_used() -> None:
    cell = make_cell()
    (row,) = rows_of([make_record(cell, 0, 0.5), make_failure(cell, 1), make_record(cell, 2, 0.7)])
    assert row.status == "2 ok, 1 failed"
    assert row.reasons == ("seed 1: failed: the head is missing",)
    assert row.primary is not None
    assert (row.primary.mean, row.primary.n) == (pytest.approx(0.6), 2)
    assert row.figures["accuracy"] == row.primary.mean


def test_best_is_the_highest_accuracy_and_throughput_and_the_lowest_cost() -> None:
    lean = {"train_seconds": 1.0, "images_per_second": 900.0, "peak_memory_bytes": 1, "trainable_parameters": 1}
    fast = {"inference_images_per_second": 9999.0, "inference_images_per_second_one": 999.0}
    table = rows_of(
        [make_record(make_cell("a/big"), accuracy=0.99), make_record(make_cell("a/lean"), accuracy=0.5, **lean, **fast)]
    )
    ranked = {
        "train_with_features_seconds", "images_per_second", "peak_memory_bytes",
        "inference_images_per_second", "inference_images_per_second_one", "trainable_parameters",
    }  # fmt: skip
    assert marked(table) == {(0, "accuracy"), *((1, column) for column in ranked)}


def test_what_can_not_be_told_from_the_best_is_marked_with_it() -> None:
    right = {"a/best": np.arange(100) < 90, "a/close": np.arange(100) < 87, "a/far": np.arange(100) < 70}
    records = [make_record(make_cell(name), accuracy=float(each.mean())) for name, each in right.items()]
    table = rows(records, lambda record: right[record.trial.cell.backbone], columns)
    assert marked(table) == {(0, "accuracy"), (1, "accuracy")}  # three discordant pairs say nothing, twenty do


def test_costs_are_alike_where_their_ranges_over_seeds_overlap() -> None:
    seconds = {"a/quick": (1.0, 2.0), "a/alike": (1.5, 2.5), "a/slow": (5.0, 6.0)}
    records = [
        make_record(make_cell(name), seed, train_seconds=value)
        for name, values in seconds.items()
        for seed, value in enumerate(values)
    ]
    assert marked(rows_of(records)) == {(0, "train_with_features_seconds"), (1, "train_with_features_seconds")}


def test_a_row_at_chance_says_so_and_is_not_marked() -> None:
    stuck, learned = make_record(make_cell("a/stuck"), train_seconds=0.1), make_record(make_cell("a/learned"))
    table = rows_of([at_chance(stuck), learned])
    assert [row.status for row in table] == ["at-chance", "ok"]
    assert marked(table) == set()


def test_a_strategy_that_has_trained_nothing_says_so() -> None:
    (row,) = rows_of([make_record(make_cell(), phases=[])])
    assert row.status == "nothing-trained"
    (row,) = rows_of([make_record(make_cell(), phases=[make_phase()])])
    assert row.status == "ok"


@pytest.mark.parametrize("weights", [FALLBACK, REQUESTED, UNPUBLISHED])
def test_a_random_start_that_was_not_wanted_is_not_ranked_beside_pretrained(weights: WeightsPlan) -> None:
    first, second = make_record(make_cell("a/one"), accuracy=0.1), make_record(make_cell("a/two"), accuracy=0.7)
    fallback = make_record(make_cell("a/three", weights=weights), accuracy=0.9, train_seconds=0.1)
    places = marked(rows_of([fallback, first, second]))
    assert (2, "accuracy") in places
    assert not any(number == 0 for number, _ in places)


def test_random_rows_that_were_asked_for_are_ranked_among_themselves_and_fallbacks_never() -> None:
    for weights, places in ((REQUESTED, {(1, "accuracy")}), (UNPUBLISHED, {(1, "accuracy")}), (FALLBACK, set())):
        random = [make_record(make_cell(f"a/{each}", weights=weights), accuracy=each / 10) for each in (1, 8)]
        assert marked(rows_of([*random, make_record(make_cell("a/one"), accuracy=0.9)])) == places


def test_scratch_on_purpose_is_ranked_beside_pretrained() -> None:
    pretrained = make_record(make_cell(), accuracy=0.2)
    scratch = make_record(make_cell(strategy="builtin/scratch", weights=SCRATCH), accuracy=0.9)
    assert marked(rows_of([pretrained, scratch])) == {(1, "accuracy")}


@pytest.mark.parametrize(
    "change", [{"dataset": "packaged/other"}, {"device": "cuda:0"}, {"protocol": make_protocol(epochs=9)}]
)
def test_other_data_devices_and_protocols_are_not_compared(change: dict[str, object]) -> None:
    table = rows_of([make_record(make_cell(), accuracy=0.6), make_record(make_cell(**change), accuracy=0.9)])
    assert marked(table) == set()


def test_equal_best_share_the_mark_and_all_equal_have_none() -> None:
    records = [
        make_record(make_cell(f"a/{name}"), accuracy=value) for name, value in zip("xyz", (0.8, 0.8, 0.1), strict=True)
    ]
    assert marked(rows_of(records)) == {(0, "accuracy"), (1, "accuracy")}
    assert marked(rows_of(records[:2])) == set()


def test_a_row_alone_or_beside_a_failed_one_is_not_marked() -> None:
    assert marked(rows_of([make_record(make_cell("a/one")), make_failure(make_cell("a/two"))])) == set()
