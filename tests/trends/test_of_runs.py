"""The history of cells over made runs: series of what is alike, changes as `compare` has them, change points."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_failure, make_protocol
from made_runs import MACHINE, Runs
from nights import night, write_night

from tlbench.compare.changes import OTHER_JOB, compare
from tlbench.compare.of_run import side_of_run
from tlbench.errors import UserError
from tlbench.results.merge import merge
from tlbench.results.store import RunFolder
from tlbench.stats import holm, interval
from tlbench.trends.history import History, Series
from tlbench.trends.of_runs import history_of


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def steady(seconds: float) -> Any:
    return lambda seed: seconds * (1 + 0.004 * (seed - 1))


def of(runs: Runs, cell: str | None = None, columns: Sequence[str] = ("accuracy",), **options: Any) -> History:
    return history_of(cell, (), runs.folder, columns, **options)


def only(found: History) -> Series:
    """The one series of a history."""
    ((series,),) = [cell.series for cell in found.cells]
    return series


def test_runs_are_in_the_order_in_which_they_were_started_with_intervals_over_seeds(runs: Runs) -> None:
    for number, accuracy in ((2, 0.8), (0, 0.9), (1, 0.7)):
        write_night(runs, number, accuracy)
    series = only(of(runs))
    assert [point.run.name for point in series.points] == ["night-00", "night-01", "night-02"]
    assert [point.run.started for point in series.points] == [night(0), night(1), night(2)]
    run = RunFolder(runs.folder / "night-01")
    expected = interval(side_of_run(run, "it").cells[0].sample)
    point = series.points[1]
    assert (point.value, point.low, point.high, point.seeds) == (expected.mean, expected.low, expected.high, 3)
    assert (series.unsearched, series.shifts) == ("too few runs (3 of 9)", ())


def test_a_change_is_the_one_that_compare_finds(runs: Runs) -> None:
    write_night(runs, 0, 0.9, train_seconds=steady(10.0))
    write_night(runs, 1, 0.85, train_seconds=steady(12.0))
    ((accuracy, seconds),) = [cell.series for cell in of(runs, columns=("accuracy", "train_seconds")).cells]
    sides = [side_of_run(RunFolder(runs.folder / name), name) for name in ("night-00", "night-01")]
    (pair,) = compare(*sides).pairs
    assert accuracy.points[0].change is None
    assert accuracy.points[1].change == pair.changes["accuracy"]
    assert seconds.points[1].change == pair.changes["train_seconds"]
    assert (pair.changes["accuracy"].verdict, pair.changes["train_seconds"].verdict) == ("worse", "worse")


def test_changes_of_a_series_are_corrected_for_their_number(runs: Runs) -> None:
    for number, accuracy in enumerate((0.9, 0.89, 0.9)):
        write_night(runs, number, accuracy)
    sides = [side_of_run(RunFolder(runs.folder / f"night-{number:02}"), "run") for number in range(3)]
    alone = {place: compare(*sides[place : place + 2]).pairs[0].changes["accuracy"].p_value for place in (0, 1)}
    found = [point.change.p_value for point in only(of(runs)).points if point.change is not None]
    assert found == list(holm(alone).values())


def test_a_regression_is_a_change_point_with_what_differs_there(runs: Runs) -> None:
    random = np.random.default_rng(0)
    for number in range(16):
        new = number >= 9
        environment = MACHINE | {
            "packages": {"torch": "2.12" if new else "2.11"},
            "git_commit": "b" * 40 if new else "a" * 40,
        }
        write_night(runs, number, (0.87 if new else 0.9) + random.normal(0, 0.003), environment=environment)
    (shift,) = only(of(runs)).shifts
    assert (shift.run.name, shift.verdict, shift.runs_before, shift.runs_after) == ("night-09", "worse", 9, 7)
    assert shift.before == pytest.approx(0.9, abs=0.005) and shift.after == pytest.approx(0.87, abs=0.005)
    assert shift.differs == ("torch 2.12 (was 2.11)", "commit bbbbbbbbb (was aaaaaaaaa)")
    assert not shift.other_job
    assert of(runs).shifts[0][2] == shift


def test_without_ruptures_there_is_a_history_without_change_points(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        write_night(runs, number, 0.9 - 0.05 * (number > 4))
    monkeypatch.setattr("tlbench.stats.change_points.find_spec", lambda name: None)
    series = only(of(runs))
    assert (series.unsearched, series.shifts) == ("ruptures is not installed (pip install ruptures)", ())
    assert len(series.points) == 10


def test_unlike_cells_are_another_series_which_goes_on_where_they_are_alike_again(runs: Runs) -> None:
    for number in range(4):
        protocol = {"protocol": make_protocol(epochs=9)} if number in (1, 3) else {}
        write_night(runs, number, 0.9, **protocol)
    first, second = of(runs).cells[0].series
    assert [point.run.name for point in first.points] == ["night-00", "night-02"]
    assert [point.run.name for point in second.points] == ["night-01", "night-03"]
    assert (first.number, first.unlike) == (1, ())
    assert (second.number, second.unlike) == (2, ("protocol.epochs is 9, not 2",))


def test_another_rate_stays_in_the_series_and_is_told(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1, learning_rate=0.1)
    assert only(of(runs)).points[1].differs == ("learning_rate 0.1 (was 0.003)",)


def test_costs_have_a_series_for_each_machine_and_accuracy_one_for_all(runs: Runs) -> None:
    for number in range(4):
        environment = MACHINE | ({"cpu": "Xeon"} if number % 2 else {})
        write_night(runs, number, environment=environment, train_seconds=steady(20.0 if number % 2 else 10.0))
    columns = ("accuracy", "train_seconds", "peak_memory_bytes", "trainable_parameters")
    found = of(runs, columns=columns).cells[0].series
    assert [(each.figure.name, each.machine, len(each.points)) for each in found] == [
        ("accuracy", None, 4),
        ("train_seconds", "EPYC, 2 cores, 2 threads", 2),
        ("train_seconds", "Xeon, 2 cores, 2 threads", 2),
        ("peak_memory_bytes", "EPYC, 2 cores, 2 threads", 2),
        ("peak_memory_bytes", "Xeon, 2 cores, 2 threads", 2),
        ("trainable_parameters", None, 4),
    ]
    assert [point.value for point in found[1].points] == [10.0, 10.0]


def test_boots_of_a_machine_share_a_series_in_which_neighbours_are_not_judged(runs: Runs) -> None:
    for number in range(12):
        environment = MACHINE | {"boot_id": str(number)}
        write_night(runs, number, environment=environment, train_seconds=steady(10.0 + number % 3 + 9 * (number > 5)))
    series = only(of(runs, columns=("train_seconds",)))
    assert {point.change.why_not for point in series.points if point.change} == {OTHER_JOB}
    (shift,) = series.shifts
    assert (shift.run.name, shift.verdict, shift.other_job) == ("night-06", "worse", True)


def test_a_cost_whose_seeds_ran_on_several_machines_has_no_value(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1)
    run = RunFolder(runs.folder / "night-01")
    record = run.records()[0]
    run.write_record(record.model_copy(update={"environment": MACHINE | {"cpu": "Xeon"}}))
    accuracy, seconds = of(runs, columns=("accuracy", "train_seconds")).cells[0].series
    assert len(accuracy.measured) == 2 and [point.run.name for point in seconds.points] == ["night-00"]


def test_a_run_without_a_result_is_told_and_takes_no_part(runs: Runs) -> None:
    for number in range(3):
        write_night(runs, number, 0.9, seeds=1)
    failed = RunFolder(runs.folder / "night-01")
    failed.write_record(make_failure(failed.plan().cells[0], 0, "out-of-memory"))
    series = only(of(runs))
    assert [(point.status, point.value is None) for point in series.points] == [
        ("ok", False), ("out-of-memory", True), ("ok", False),
    ]  # fmt: skip
    assert series.points[2].change is not None and series.points[2].change.verdict == "tie"


def test_what_a_merged_run_or_a_copy_has_again_does_not_count_twice(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1)
    shutil.copytree(runs.folder / "night-01", runs.folder / "night-01-copy")
    merge([RunFolder(runs.folder / "night-00"), RunFolder(runs.folder / "night-01")], RunFolder(runs.folder / "all"))
    found = of(runs)
    assert [point.run.name for point in only(found).points] == ["night-00", "night-01"]
    assert set(found.warnings) == {
        f"run {name} has 3 records of runs before it, which do not count twice" for name in ("night-01-copy", "all")
    }


def test_damaged_runs_and_records_are_named_and_left_out_and_unfinished_runs_are_used(runs: Runs) -> None:
    for number in range(3):
        write_night(runs, number)
    (runs.folder / "night-00" / "plan.json").write_text("{")
    records = sorted((runs.folder / "night-01" / "trials").glob("*.json"))
    records[0].write_text("[]")
    records[1].unlink()
    found = of(runs)
    assert [(point.run.name, point.seeds) for point in only(found).points] == [("night-01", 1), ("night-02", 3)]
    plan, record, unfinished = found.warnings
    assert "night-00/plan.json is not a tlbench document" in plan and plan.endswith("; the run is left out")
    assert str(records[0]) in record and record.endswith("; it is left out")
    assert unfinished == "run night-01 is not finished: 2 of 3 planned trials have no record"


def test_a_pattern_takes_cells_and_only_their_records_are_read(runs: Runs) -> None:
    for number in range(2):
        runs.write(f"night-{number}", {"x": 0.9, "y": 0.8, "xy": 0.7}, started=night(number))
    damaged = RunFolder(runs.folder / "night-0")
    y = next(cell.id for cell in damaged.plan().cells if cell.backbone == "a/y")
    (damaged.trials / f"{y}-0.json").write_text("{")
    found = of(runs, "x*")
    assert [cell.name for cell in found.cells] == ["x × freeze", "xy × freeze"]
    assert found.warnings == ()
    assert [cell.name for cell in of(runs, "y/freeze").cells] == ["y × freeze"]
    assert len(of(runs).cells) == 3


def test_datasets_are_named_where_there_are_several_and_do_not_mix(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1, dataset="packaged/other")
    assert [cell.name for cell in of(runs, "x × freeze").cells] == [
        "x × freeze × packaged/digits", "x × freeze × packaged/other",
    ]  # fmt: skip


def test_the_last_runs_alone_and_runs_by_name(runs: Runs) -> None:
    for number in range(4):
        write_night(runs, number)
    assert [run.name for run in of(runs, last=2).runs] == ["night-02", "night-03"]
    named = history_of(None, ["night-03", str(runs.folder / "night-01")], runs.folder, ["accuracy"])
    assert [run.name for run in named.runs] == ["night-01", "night-03"]


def test_by_default_the_primary_metric_and_the_usual_costs(runs: Runs) -> None:
    write_night(runs, 0)
    assert [each.figure.name for each in of(runs, columns=()).cells[0].series] == [
        "accuracy", "train_with_features_seconds", "step_ms", "peak_memory_bytes",
    ]  # fmt: skip
    asked = of(runs, columns=("energy_joules", "accuracy")).cells[0]
    assert [each.figure.name for each in asked.series] == ["accuracy"]
    assert asked.not_measured == ("energy_joules",)


@pytest.mark.parametrize(
    ("cell", "options", "said"),
    [
        ("x × freze", {}, "no cell matches 'x × freze'; did you mean x × freeze"),
        ("x", {"columns": ["acuracy"]}, "there is no column 'acuracy'; did you mean accuracy"),
        ("x", {"last": 0}, "--last 0: a history has 1 run at least"),
    ],
)
def test_mistakes_are_told_with_the_nearest(runs: Runs, cell: str, options: dict[str, Any], said: str) -> None:
    write_night(runs, 0)
    with pytest.raises(UserError, match=said):
        of(runs, cell, **options)


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no run in .*none; name another folder with --results"):
        history_of(None, (), tmp_path / "none")


def test_rows_are_flat(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1, 0.8)
    first, second = of(runs).rows()
    assert (first["cell"], first["column"], first["run"], first["verdict"]) == (
        "x × freeze",
        "accuracy",
        "night-00",
        None,
    )
    assert second["verdict"] == "worse" and second["change"] == pytest.approx(-0.1, abs=0.02)
    assert second["started"] == "2026-03-02T02:30:00+00:00"
