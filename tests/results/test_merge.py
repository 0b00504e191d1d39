"""Runs of several machines made into one."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_failure
from made_runs import MACHINE, Runs

from tlbench.errors import UserError
from tlbench.registry.provenance import Provenance
from tlbench.report.footer import footer
from tlbench.report.of_run import report_data
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.merge import merge
from tlbench.results.store import RunFolder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def table_of_run(folder: RunFolder) -> DatasetTable:
    (table,) = tables(report_data(folder.plan(), folder, folder.records()))
    return table


def test_cells_and_records_of_all_are_there_with_predictions_and_models(runs: Runs, tmp_path: Path) -> None:
    first, second = runs.write("one", {"x": 0.9}), runs.write("two", {"y": 0.8, "z": 0.7})
    trial = second.records()[0].trial.id
    second.model(trial).mkdir(parents=True)
    (second.model(trial) / "model.json").write_text("{}")
    target = RunFolder(tmp_path / "all")
    found = merge([first, second], target)
    assert (found.records, found.twice, found.conflicts) == (9, 0, ())
    assert len(target.plan().cells) == 3 and target.plan().request.seeds == 3
    assert [record.trial.id for record in target.records()] == target.plan().trial_ids()
    assert all(target.example_scores(record) is not None for record in target.records())
    assert (target.model(trial) / "model.json").exists()
    assert table_of_run(target).ranks == {0: "a", 1: "b", 2: "c"}


def test_of_a_trial_that_several_have_the_one_that_ended_well_stays(runs: Runs, tmp_path: Path) -> None:
    first, second = runs.write("one", {"x": 0.9}), runs.write("two", {"x": 0.9})
    cell = first.plan().cells[0]
    first.write_record(make_failure(cell, 1))
    target = RunFolder(tmp_path / "all")
    found = merge([first, second], target)
    assert (found.records, found.twice) == (3, 3)
    assert {record.status for record in target.records()} == {"ok"}


def test_results_that_contradict_each_other_are_named_and_nothing_is_written(runs: Runs, tmp_path: Path) -> None:
    first = runs.write("one", {"x": 0.9})
    second = runs.write("two", {"x": 0.8}, environment=MACHINE | {"cpu": "Xeon"})
    target = RunFolder(tmp_path / "all")
    found = merge([first, second], target)
    assert len(found.conflicts) == 3 and not target.exists
    assert found.conflicts[0].startswith("a/x × builtin/freeze on packaged/digits, seed 0: 0.")
    assert "in one and 0." in found.conflicts[0] and "EPYC, 2 cores, 2 threads and Xeon, 2 cores, 2 threads" in found.conflicts[0]


def test_runs_of_other_releases_of_a_plugin_are_refused(runs: Runs, tmp_path: Path) -> None:
    folders = [runs.write(name, {name: 0.9}) for name in ("one", "two")]
    for folder, version in zip(folders, ("1", "2"), strict=True):
        origin = Provenance(plugin="p", distribution="p", version=version)
        folder.write_plan(folder.plan().model_copy(update={"provenance": {"strategy builtin/freeze": origin}}))
    with pytest.raises(UserError, match="the release of strategy builtin/freeze is not the same in one"):
        merge(folders, RunFolder(tmp_path / "all"))


def test_times_of_unlike_machines_are_never_averaged(runs: Runs, tmp_path: Path) -> None:
    run = runs.write("one", {"x": 0.9})
    for record in run.records():
        if record.trial.seed == 2:
            elsewhere = {**(record.environment or {}), "cpu": "Xeon"}
            run.write_record(record.model_copy(update={"environment": elsewhere}))
    table = table_of_run(run)
    assert table.rows[0].figures["train_seconds"] is None
    assert table.rows[0].figures["peak_memory_bytes"] is not None
    assert "No times of x × freeze: their seeds ran on unlike machines." in footer(table)


def test_times_of_rows_from_unlike_machines_are_told_and_not_ranked(runs: Runs, tmp_path: Path) -> None:
    here = runs.write("one", {"x": 0.9}, train_seconds=2.0)
    there = runs.write("two", {"y": 0.8}, train_seconds=1.0, environment=MACHINE | {"cpu": "Xeon"})
    target = RunFolder(tmp_path / "all")
    merge([here, there], target)
    table = table_of_run(target)
    assert any(
        line == "Warning: times were measured on unlike machines and can't be compared: x × freeze on EPYC, "
        "2 cores, 2 threads; y × freeze on Xeon, 2 cores, 2 threads."
        for line in footer(table)
    )
    assert not any(column == "train_with_features_seconds" for _, column in table.best)
    assert (0, "accuracy") in table.best
