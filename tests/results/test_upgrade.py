"""Runs of earlier schema versions are read as if they were of the present one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_cell, make_plan, make_record
from safetensors.numpy import save_file

from tlbench.errors import UserError
from tlbench.plan import Trial
from tlbench.plan.plan import MetricPlan
from tlbench.results.columns import columns_of
from tlbench.results.costs import Cost
from tlbench.results.records import CandidateRecord, DataRecord, EpochRecord, Metrics, Record
from tlbench.results.store import RunFolder
from tlbench.results.upgrade import upgraded_record
from tlbench_tasks.single_label import SingleLabel

RESULTS = Path(__file__).parents[2] / "results"
VERSIONS = {path.parent.name: json.loads(path.read_bytes())["schema_version"] for path in RESULTS.glob("*/plan.json")}
RUNS = sorted(name for name, version in VERSIONS.items() if version == 2)
METRICS = ("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")
CELL = make_cell()


def committed(run: str) -> tuple[RunFolder, dict[str, dict[str, Any]]]:
    """A run of this repository, and its documents as they are, by the trial."""
    folder = RunFolder(RESULTS / run)
    return folder, {path.stem: json.loads(path.read_text()) for path in folder.trials.glob("*.json")}


def of_schema_2(**changes: Any) -> dict[str, Any]:
    """A small record as the release before this one wrote it: of three classes, of which test lacks one."""
    now = make_record(CELL).model_dump(mode="json")
    metrics = {
        "accuracy": 0.75, "val_accuracy": 0.5, "train_loss": 0.25, "top5_accuracy": None, "balanced_accuracy": 0.7,
        "macro_f1": 0.6, "nll": 1.25, "ece": 0.125, "per_class_accuracy": [0.9, None, 0.5],
    }  # fmt: skip
    data = {
        "classes": 3, "class_names": ["ant", "bee", "cat"], "train_images": 100, "val_images": 10, "test_images": 20,
        "duplicates_train_test": 1, "duplicates_example": ["a.png", "b.png"], "lacking": ["test has no bee"],
    }  # fmt: skip
    epoch = {"phase": 0, "epoch": 1, "train_loss": 0.5, "val_accuracy": 0.25, "kept": False}
    tried = {"learning_rate": 0.01, "val_accuracy": 0.5, "val_nll": 1.5, "seconds": 2.0, "chosen": True}
    diverged = {"learning_rate": 0.1, "val_accuracy": None, "val_nll": None, "seconds": 1.0, "chosen": False}
    old = {"schema_version": 2, "metrics": metrics, "data": data, "history": [epoch], "tuning": [tried, diverged]}
    return now | old | changes


def read(tmp_path: Path, document: dict[str, Any]) -> Record:
    """A document as a run's folder gives it."""
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.write_plan(make_plan(CELL))
    (folder.trials / f"{CELL.id}-0.json").write_text(json.dumps(document))
    (record,), damaged = folder.read()
    assert damaged == []
    return record


def test_there_are_committed_runs_of_schema_2() -> None:
    assert {json.loads((RESULTS / run / "plan.json").read_text())["schema_version"] for run in RUNS} == {2}
    assert {"rates", "rates-sgd"} <= set(RUNS)


@pytest.mark.parametrize("run", sorted(VERSIONS))
def test_a_committed_run_is_read_whole_and_every_id_is_still_that_of_its_cell(run: str) -> None:
    folder, documents = committed(run)
    plan, (records, damaged) = folder.plan(), folder.read()
    assert damaged == []
    assert [record.trial.id for record in records] == plan.trial_ids()
    assert {record.trial.id for record in records} == documents.keys()
    for record in records:
        assert record.trial.id == Trial(cell=record.trial.cell, seed=record.trial.seed).id
        assert record.trial.cell_id == record.trial.cell.id
        assert record.trial.cell in plan.cells
        assert record.trial.cell.task in plan.tasks
        assert folder.is_finished(record.trial.id)


@pytest.mark.parametrize("run", RUNS)
def test_every_figure_of_a_committed_run_is_kept(run: str) -> None:
    folder, documents = committed(run)
    for record in folder.records():
        old, found = documents[record.trial.id], record.metrics
        assert found is not None
        assert found.test == {name: old["metrics"][name] for name in METRICS}
        assert (found.primary, found.value) == ("accuracy", old["metrics"]["accuracy"])
        assert found.val == {"accuracy": old["metrics"]["val_accuracy"]}
        assert found.by_target == {"accuracy": old["metrics"]["per_class_accuracy"]}
        assert found.train_loss == old["metrics"]["train_loss"]
        assert [each.val for each in record.history] == [each["val_accuracy"] for each in old["history"]]
        assert [(each.val, each.val_loss) for each in record.tuning] == [
            (each["val_accuracy"], each["val_nll"]) for each in old["tuning"]
        ]
        assert record.data is not None and record.data.names == old["data"].get("class_names", [])
        assert record.cost == Cost.model_validate(old["cost"])
        assert all(getattr(record.data, name) == old["data"][name] for name in ("train_images", "test_images"))


@pytest.mark.parametrize("run", RUNS)
def test_a_committed_trial_is_at_chance_where_its_classes_say_so(run: str) -> None:
    folder, documents = committed(run)
    for record in folder.records():
        by_class = documents[record.trial.id]["metrics"]["per_class_accuracy"]
        assert record.metrics is not None
        assert record.metrics.at_chance == (np.mean(by_class) <= 1.05 / len(by_class))


def test_some_committed_trials_are_at_chance_and_most_are_not() -> None:
    records = RunFolder(RESULTS / "strategies").records()
    stuck = [record for record in records if record.metrics and record.metrics.at_chance]
    assert 0 < len(stuck) < len(records) / 10
    assert {record.metrics.value for record in stuck if record.metrics} == {0.1}  # of ten classes


def test_an_upgraded_plan_has_the_metrics_of_single_label_classification() -> None:
    (task,) = RunFolder(RESULTS / "rates").plan().tasks.items()
    name, facts = task
    assert (name, facts.primary) == ("tasks/single-label", "accuracy")
    declared = [(each.name, each.heading, each.better, each.unit) for each in SingleLabel.metrics]
    assert [(each.name, each.heading, each.better, each.unit) for each in facts.metrics] == declared
    assert all(isinstance(each, MetricPlan) for each in facts.metrics)


def test_the_columns_of_a_committed_run_read_its_records() -> None:
    folder, documents = committed("rates")
    columns = {each.name: each for each in columns_of(folder.plan(), "tasks/single-label")}
    for record in folder.records():
        old = documents[record.trial.id]
        assert [columns[name].read(record) for name in METRICS] == [old["metrics"][name] for name in METRICS]
        assert columns["paid_seconds"].read(record) == old["cost"]["paid_seconds"]


def test_of_schema_3_a_protocol_gets_the_names_of_the_options(tmp_path: Path) -> None:
    document = make_record(CELL).model_dump(mode="json") | {"schema_version": 3}
    protocol = document["trial"]["cell"]["protocol"]
    del protocol["warmup"], protocol["augment"]
    protocol |= {"warmup_share": 0.25, "augmentation": ["flip"], "gradient_clip": None, "mixup": None, "ema": None}
    found = read(tmp_path, document).trial.cell.protocol
    assert (found.warmup, found.augment) == (0.25, ("flip",))
    assert (found.gradient_clip, found.mixup, found.ema) == (0, 0, 0)


def test_a_small_document_in_full(tmp_path: Path) -> None:
    record = read(tmp_path, of_schema_2())
    assert record.schema_version == 4
    assert record.metrics == Metrics(
        primary="accuracy",
        test={
            "accuracy": 0.75, "top5_accuracy": None, "balanced_accuracy": 0.7, "macro_f1": 0.6, "nll": 1.25,
            "ece": 0.125,
        },
        val={"accuracy": 0.5},
        by_target={"accuracy": [0.9, None, 0.5]},
        at_chance=False,
        train_loss=0.25,
    )  # fmt: skip
    assert record.metrics is not None and record.metrics.chance is None  # nobody had said it
    assert record.data == DataRecord(
        names=["ant", "bee", "cat"], train_images=100, val_images=10, test_images=20, duplicates_train_test=1,
        duplicates_example=("a.png", "b.png"), lacking=["test has no bee"],
    )  # fmt: skip
    assert record.history == [EpochRecord(phase=0, epoch=1, train_loss=0.5, val=0.25, kept=False)]
    assert record.tuning == [
        CandidateRecord(learning_rate=0.01, val=0.5, val_loss=1.5, seconds=2.0, chosen=True),
        CandidateRecord(learning_rate=0.1, val=None, val_loss=None, seconds=1.0),
    ]


@pytest.mark.parametrize(
    ("by_class", "at_chance"),
    [
        ([1.0, 0.0, 0.0, None], True),  # three occur: a third
        ([0.4, 0.3, 0.3], True),
        ([0.6, 0.3, 0.3], False),
        ([0.5, None, 0.56], False),  # with the class that is null, it would be chance
        ([0.0], False),  # one class says nothing
        ([None, 0.0], False),
        ([], False),
        (None, False),
    ],
)
def test_one_class_for_all_images_was_chance(
    tmp_path: Path, by_class: list[float | None] | None, at_chance: bool
) -> None:
    document = of_schema_2()
    document["metrics"]["per_class_accuracy"] = by_class
    metrics = read(tmp_path, document).metrics
    assert metrics is not None
    assert metrics.at_chance == at_chance
    assert metrics.by_target == ({"accuracy": by_class} if by_class else {})


def test_a_trial_that_has_no_result_is_read(tmp_path: Path) -> None:
    error = {"type": "ValueError", "message": "no head"}
    bare = of_schema_2(status="failed", metrics=None, data=None, history=[], tuning=[], error=error)
    record = read(tmp_path, bare)
    assert (record.status, record.metrics, record.data, record.error and record.error.message) == (
        "failed",
        None,
        None,
        "no head",
    )
    for name in ("metrics", "data", "history", "tuning"):
        del bare[name]
    assert read(tmp_path, bare) == record


def test_what_is_written_again_is_of_the_present_version(tmp_path: Path) -> None:
    record = read(tmp_path, of_schema_2())
    folder = RunFolder(tmp_path / "run")
    folder.write_record(record)
    (document,) = (json.loads(path.read_text()) for path in folder.trials.glob("*.json"))
    assert document["schema_version"] == 4
    assert folder.records() == [record]


def test_a_document_of_the_present_version_is_left_alone_and_none_is_changed_in_place() -> None:
    now = make_record(CELL).model_dump(mode="json")
    assert upgraded_record(now) is now
    old = of_schema_2()
    before = json.dumps(old)
    upgraded_record(old)
    assert json.dumps(old) == before


@pytest.mark.parametrize("changes", [{"metrics": "none"}, {"trial": None}, {"strange": 1}, {"history": [3]}])
def test_a_damaged_document_of_schema_2_is_not_read_and_is_said_to_be_damaged(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.write_plan(make_plan(CELL))
    (folder.trials / "broken-0.json").write_text(json.dumps(of_schema_2(**changes)))
    records, (said,) = folder.read()
    assert records == []
    assert "broken-0.json is not a tlbench document" in said


def test_the_outcomes_of_images_come_from_predictions_of_schema_2(tmp_path: Path) -> None:
    record = read(tmp_path, of_schema_2(predictions="one.safetensors"))
    folder = RunFolder(tmp_path / "run")
    kept = {
        "indices": np.array([7, 2, 5]),
        "labels": np.array([1, 1, 0]),
        "predicted": np.array([1, 0, 0]),
        "confidence": np.ones(3, np.float32),
        "nll": np.zeros(3, np.float32),
    }
    save_file(kept, folder.trials / "one.safetensors")
    found = folder.example_scores(record)
    assert found is not None and found.tolist() == [False, True, True]  # of images 2, 5 and 7


def test_a_plan_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.write_plan(make_plan(CELL))
    document = json.loads((folder.path / "plan.json").read_text())
    del document["tasks"]
    (folder.path / "plan.json").write_text(json.dumps(document | {"schema_version": 2}))
    assert folder.plan().cells == (CELL,)
    (folder.path / "plan.json").write_text(json.dumps(document | {"schema_version": 2, "cells": None}))
    with pytest.raises(UserError, match=r"plan\.json is not a tlbench document"):
        folder.plan()
