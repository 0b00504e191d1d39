"""Trackers, told of made trials and read back through their own libraries: names, figures, states, hostile texts."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import make_cell, make_failure, make_metrics, make_plan, make_record
from tracker_files import events_of, wandb_runs

from tlbench import Reporter, UserError
from tlbench.plan import Plan, Trial
from tlbench.plan.plan import MetricPlan, TaskPlan
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.results.columns import columns_of
from tlbench.results.flat import Columns, flatten
from tlbench.results.records import Record

HOSTILE = {
    "slashes": "../../etc/passwd",
    "a newline": "two\nlines\r",
    "long": "é" * 300,
    "a formula": '=cmd("calc")',
    "a tag": "<script>alert(1)</script>",
    "dots": "..",
    "a terminal's": "\x1b[31mred\u202e",
}
GOOD = make_record(make_cell("a/one"), accuracy=0.75, energy_joules=None)
BAD = make_failure(make_cell("a/two"), message="it broke")
PLAN = make_plan(GOOD.trial.cell, BAD.trial.cell, name="mine")


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The built-in components."""
    return Registry.of(load_plugins())


def reporter(registry: Registry, spec: str) -> Reporter:
    """A reporter as a run makes it; a test of a library that is not there is skipped."""
    library = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboard"}.get(spec.partition(":")[0])
    if library is not None:
        pytest.importorskip(library, reason=f"{library} is not installed: pip install 'tlbench[{library}]'")
    component = registry.reporters.resolve(spec)
    component.check()
    return component.load()


def tell(reporter: Reporter, folder: Path, records: Iterable[Record], plan: Plan = PLAN, epochs: int = 2) -> None:
    """A run of these trials, all open at once."""
    told = [(Trial(cell=record.trial.cell, seed=record.trial.seed), record) for record in records]
    reporter.run_started(plan, folder)
    for trial, _ in told:
        reporter.trial_started(trial)
    for epoch in range(1, epochs + 1):
        for trial, _ in told:
            reporter.epoch_finished(trial, epoch, {"train_loss": 1 / epoch, "images_per_second": 10.0 * epoch})
    for trial, record in told:
        reporter.trial_finished(trial, record, flatten(record, columns_of_record(record)))
    reporter.run_finished(plan, folder, [record for _, record in told])


def columns_of_record(record: Record) -> Columns:
    """Of all metrics that a record has, of whichever plugin."""
    names = record.metrics.test if record.metrics else ()
    metrics = tuple(MetricPlan(name=name, heading=name, better="higher", unit="share") for name in names)
    task = TaskPlan(primary="accuracy", metrics=metrics)
    return partial(columns_of, make_plan().model_copy(update={"tasks": {record.trial.cell.task: task}}))


def hostile(text: str) -> Record:
    """A good trial with a text in all names that a person or a plugin gives."""
    cell = make_cell(f"a/{text}", f"b/{text}", dataset=f"packaged/folder:path={text}")
    metrics = make_metrics(0.5, test={"accuracy": 0.5, text: 0.125})
    return make_record(cell).model_copy(update={"metrics": metrics})


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened, strict=True))


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_csv_has_a_line_for_each_trial_with_its_figures_and_nothing_for_null(
    registry: Registry, tmp_path: Path
) -> None:
    tell(reporter(registry, "csv"), tmp_path, [BAD, GOOD])  # the first has no figures: columns are added
    bad, good = rows(tmp_path / "trackers" / "trials.csv")
    assert (bad["run"], bad["trial"], bad["status"], bad["error"]) == ("mine", BAD.trial.id, "failed", "it broke")
    assert (bad["accuracy"], bad["train_seconds"]) == ("", "")
    assert (good["status"], float(good["accuracy"]), float(good["val_accuracy"])) == ("ok", 0.75, 0.75)
    assert (good["energy_joules"], good["error"]) == ("", "")
    flat = flatten(GOOD, columns_of_record(GOOD))
    assert {"run", "started", *flat} == good.keys()


def test_lines_are_added_to_a_file_of_earlier_runs_and_behind_one_that_was_cut(
    registry: Registry, tmp_path: Path
) -> None:
    file, other = tmp_path / "all.csv", tmp_path / "all.jsonl"
    for name in ("one", "two"):
        plan = make_plan(GOOD.trial.cell, name=name)
        tell(reporter(registry, f"csv:file={file}"), tmp_path, [GOOD], plan)
        tell(reporter(registry, f"jsonl:file={other}"), tmp_path, [GOOD], plan)
        for each in (file, other):
            each.write_bytes(each.read_bytes() + b'{"cut')
    tell(reporter(registry, f"csv:file={file}"), tmp_path, [GOOD])
    assert [row["run"] for row in rows(file)] == ["one", '{"cut', "two", '{"cut', "mine"]
    assert file.read_text("utf-8").count("run,started,trial,") == 1
    lines = other.read_text("utf-8").splitlines()
    assert [line for line in lines if line == '{"cut'] == ['{"cut', '{"cut']
    assert {json.loads(line)["run"] for line in lines if line != '{"cut'} == {"one", "two"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_csv_is_one_line_a_trial_that_no_spreadsheet_or_terminal_obeys(
    registry: Registry, tmp_path: Path, text: str
) -> None:
    record = hostile(text)
    failure = make_failure(record.trial.cell, seed=1, message=text)
    tell(reporter(registry, "csv"), tmp_path, [record, failure])
    file = tmp_path / "trackers" / "trials.csv"
    assert len(file.read_text("utf-8").splitlines()) == 3
    fields = [field for row in rows(file) for field in (*row, *row.values())]
    assert not [each for each in fields if each.lstrip()[:1] in tuple("=+-@")]
    assert not [each for each in fields if "\x1b" in each or "\u202e" in each]
    assert "0.125" in rows(file)[0].values()


def test_jsonl_has_a_document_for_each_event_and_the_whole_record(registry: Registry, tmp_path: Path) -> None:
    tell(reporter(registry, "jsonl"), tmp_path, [GOOD, BAD], epochs=1)
    found = events(tmp_path / "trackers" / "events.jsonl")
    assert [each["event"] for each in found] == [
        "run_started", *["trial_started"] * 2, *["epoch_finished"] * 2, *["trial_finished"] * 2, "run_finished",
    ]  # fmt: skip
    assert {each["run"] for each in found} == {"mine"}
    assert found[1]["facts"]["backbone"] == "a/one" and None not in found[1]["facts"].values()
    assert (found[3]["trial"], found[3]["epoch"]) == (GOOD.trial.id, 1)
    assert found[3]["figures"] == {"train_loss": 1.0, "images_per_second": 10.0}
    assert [Record.model_validate(each["record"]) for each in found[5:7]] == [GOOD, BAD]
    assert found[7]["statuses"] == {"ok": 1, "failed": 1}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_jsonl_is_json_whatever_is_in_a_name(registry: Registry, tmp_path: Path, text: str) -> None:
    record = hostile(text).model_copy(update={"environment": {"load": math.nan, "cpu": text}})
    tell(reporter(registry, "jsonl"), tmp_path, [record], epochs=0)
    _, started, finished, _ = events(tmp_path / "trackers" / "events.jsonl")
    assert started["facts"]["backbone"] == f"a/{text}"
    assert finished["record"]["environment"] == {"load": None, "cpu": text}
    assert finished["record"]["metrics"]["test"][text] == 0.125


FIGURES = {"accuracy": 0.75, "val_accuracy": 0.75, "train_loss": 0.25, "train_images": 100.0}
"""Some figures of the good trial, by the names of `tlbench show --format csv`."""


def same(found: Mapping[str, object], expected: Mapping[str, float]) -> bool:
    return {name: found.get(name) for name in expected} == pytest.approx(dict(expected))


def test_tensorboard_has_a_folder_for_each_trial_with_its_facts_curves_figures_and_state(
    registry: Registry, tmp_path: Path
) -> None:
    tell(reporter(registry, "tensorboard"), tmp_path, [GOOD, BAD])
    good, bad = (events_of(tmp_path / "tensorboard", record.trial.id) for record in (GOOD, BAD))
    assert good.curve("epoch/train_loss") == bad.curve("epoch/train_loss") == [(1, 1.0), (2, 0.5)]
    assert good.curve("accuracy") == [(2, 0.75)]
    assert same({name: good.curve(name)[0][1] for name in FIGURES}, FIGURES)
    assert {"energy_joules", "seed"} & good.scalars == set()
    assert bad.scalars == {"epoch/train_loss", "epoch/images_per_second"}
    assert (good.facts["backbone"], good.facts["learning_rate"], good.facts["seed"]) == ("a/one", 0.003, 0)
    assert "patience" not in good.facts  # null
    assert (good.status, bad.status) == ("STATUS_SUCCESS", "STATUS_FAILURE")
    assert bad.text("error") == "    it broke"


def test_tensorboard_has_one_attempt_of_a_trial_that_was_tried_again(registry: Registry, tmp_path: Path) -> None:
    tracker = reporter(registry, "tensorboard")
    interrupted = make_failure(GOOD.trial.cell, status="interrupted")
    tell(tracker, tmp_path, [interrupted], epochs=1)
    tell(tracker, tmp_path, [GOOD])
    found = events_of(tmp_path / "tensorboard", GOOD.trial.id)
    assert found.curve("epoch/train_loss") == [(1, 1.0), (2, 0.5)]
    assert found.status == "STATUS_SUCCESS"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_tensorboards_folders_and_tags_take_any_name(registry: Registry, tmp_path: Path, text: str) -> None:
    record = hostile(text)
    tell(reporter(registry, "tensorboard"), tmp_path, [record])
    assert {each.name for each in tmp_path.iterdir()} == {"tensorboard"}
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert len(folder.name) < 200 and folder.name.isascii()
    found = events_of(tmp_path / "tensorboard", record.trial.id)
    assert [found.curve(tag) for tag in found.scalars if found.curve(tag)[0][1] == 0.125] == [[(2, 0.125)]]
    assert "\n" not in str(found.facts["backbone"]) and len(str(found.facts["backbone"])) <= 500


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of an MLflow store: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'store.db'}"


def mlflow_runs(store: str, experiment: str) -> dict[str, Any]:
    """The runs of an experiment by the trial's id, as MLflow's client has them."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return {run.data.tags["tlbench.trial"]: run for run in client.search_runs([found.experiment_id])}


@pytest.mark.slow
def test_mlflow_has_a_run_for_each_trial_with_its_parameters_metrics_and_state(
    registry: Registry, tmp_path: Path, store: str
) -> None:
    killed = make_failure(make_cell("a/three"), status="killed")
    tell(reporter(registry, f"mlflow:uri={store}"), tmp_path, [GOOD, BAD, killed])
    from mlflow import MlflowClient

    runs = mlflow_runs(store, "mine")
    good, bad = runs[GOOD.trial.id], runs[BAD.trial.id]
    assert [runs[each.trial.id].info.status for each in (GOOD, BAD, killed)] == ["FINISHED", "FAILED", "KILLED"]
    assert good.info.run_name == "a/one × builtin/freeze on packaged/digits, seed 0"
    assert (good.data.params["backbone"], good.data.params["seed"], good.data.params["weights"]) == (
        "a/one", "0", "pretrained",
    )  # fmt: skip
    assert "patience" not in good.data.params
    assert same(good.data.metrics, FIGURES)
    assert "energy_joules" not in good.data.metrics and "accuracy" not in bad.data.metrics
    assert (bad.data.tags["tlbench.status"], bad.data.tags["tlbench.error"]) == ("failed", "it broke")
    assert good.data.tags["tlbench.run"] == "mine"
    history = MlflowClient(store).get_metric_history(good.info.run_id, "epoch/train_loss")
    assert [(each.step, each.value) for each in history] == [(1, 1.0), (2, 0.5)]


@pytest.mark.slow
def test_mlflow_takes_any_name(registry: Registry, tmp_path: Path, store: str) -> None:
    for name, text in HOSTILE.items():
        tell(reporter(registry, f"mlflow:uri={store}"), tmp_path, [hostile(text)], make_plan(name=name))
        (run,) = mlflow_runs(store, name).values()
        assert run.info.status == "FINISHED"
        assert list(run.data.metrics.values()).count(0.125) == 1


@pytest.mark.slow
def test_mlflows_experiment_can_be_named_and_what_is_still_open_at_the_end_was_killed(
    registry: Registry, tmp_path: Path, store: str
) -> None:
    tracker = reporter(registry, f"mlflow:uri={store}:experiment=shared")
    tracker.run_started(PLAN, tmp_path)
    trial = Trial(cell=GOOD.trial.cell, seed=0)
    tracker.trial_started(trial)
    tracker.trial_started(trial)  # what was trained together is tried alone
    tracker.run_finished(PLAN, tmp_path, [])
    from mlflow import MlflowClient

    client = MlflowClient(store)
    found = client.search_runs([client.get_experiment_by_name("shared").experiment_id])
    assert [run.info.status for run in found] == ["KILLED", "KILLED"]


def test_wandb_has_a_run_for_each_trial_in_the_runs_group(registry: Registry, tmp_path: Path) -> None:
    tell(reporter(registry, "wandb:project=mine"), tmp_path, [GOOD, BAD])
    runs = {run.config["trial"]: run for run in wandb_runs(tmp_path / "wandb")}
    good, bad = runs[GOOD.trial.id], runs[BAD.trial.id]
    assert (good.project, good.group, good.name) == (
        "mine",
        "mine",
        "a/one × builtin/freeze on packaged/digits, seed 0",
    )
    assert (good.config["backbone"], good.config["learning_rate"], good.config["seed"]) == ("a/one", 0.003, 0)
    assert "patience" not in good.config
    assert [(row["_step"], row["epoch/train_loss"]) for row in good.history] == [(1, 1.0), (2, 0.5)]
    assert same(good.summary, FIGURES) and good.summary["status"] == "ok"
    assert "energy_joules" not in good.summary and "accuracy" not in bad.summary
    assert (bad.summary["status"], bad.summary["error"]) == ("failed", "it broke")
    assert (good.exit_code, bad.exit_code) == (0, 1)


def test_wandb_takes_any_name(registry: Registry, tmp_path: Path) -> None:
    tracker = reporter(registry, "wandb")
    for name, text in HOSTILE.items():
        tell(tracker, tmp_path / name, [hostile(text)], make_plan(name=f"{name}-{'x' * 150}"))
        (run,) = wandb_runs(tmp_path / name / "wandb")
        assert run.exit_code == 0
        assert list(run.summary.values()).count(0.125) == 1
        assert len(run.group) <= 128 and len(run.name) <= 128


@pytest.mark.parametrize("library", ["mlflow", "tensorboard", "wandb"])
def test_a_library_that_is_not_there_is_named_with_the_remedy(
    registry: Registry, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(UserError, match=rf"needs {library}: pip install 'tlbench\[{library}\]'"):
        registry.reporters.resolve(library).check()


def test_a_folder_of_a_librarys_name_is_no_library(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B makes one called wandb."""
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UserError, match="the reporter wandb needs wandb"):
        registry.reporters.resolve("wandb").check()


def test_mlflows_sqlite_store_needs_sqlalchemy(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'tlbench[mlflow]'")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(UserError, match=r"mlflow needs sqlalchemy: pip install 'tlbench\[mlflow\]'"):
        registry.reporters.resolve("mlflow").check()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("csv:file={tmp}", "the reporter csv can't write to {tmp}: it is not a file; name another place"),
        ("csv:file={tmp}/text/log.csv", "can't write to {tmp}/text/log.csv: not a folder; name another place"),
        ("csv:file={tmp}/text", "{tmp}/text is there already and is no log of the reporter csv; name another file"),
        ("jsonl:file={tmp}/text", "{tmp}/text is there already and is no log of the reporter jsonl"),
        ("jsonl:file={tmp}/" + "x" * 300, "File name too long; name another place"),
        ("jsonl:file=/proc/tlbench/a.jsonl", "the reporter jsonl can't write to /proc/tlbench/a.jsonl: "),
        ("csv:fiel=x", "reporter trackers/csv has no option 'fiel'; did you mean file? (it has: file)"),
        ("csv:x", "reporter trackers/csv: 'x' is not of the form option=value"),
        ("tensorboard:folder={tmp}/text/a", "the reporter tensorboard can't write to {tmp}/text/a: not a folder"),
        ("mlflow:uri=sqlite:///{tmp}/text/a.db", "the reporter mlflow can't write to {tmp}/text: not a folder"),
        ("mlflow:uri=mlruns.db", "uri=mlruns.db is no URI; for a file, say sqlite:///mlruns.db"),
        ("wandb:folder={tmp}/text", "the reporter wandb can't write to {tmp}/text: not a folder"),
        ("wandb:project=a/b", "option project of reporter trackers/wandb is str and can't be 'a/b'"),
        ("cvs", "unknown reporter 'cvs'; did you mean csv?; `tlbench list reporters` shows all"),
    ],
)
def test_what_can_not_be_is_refused_in_a_sentence(registry: Registry, tmp_path: Path, spec: str, said: str) -> None:
    if (library := spec.partition(":")[0]) in ("mlflow", "tensorboard", "wandb"):
        pytest.importorskip(library, reason=f"{library} is not installed: pip install 'tlbench[{library}]'")
    (tmp_path / "text").write_text("mine,not yours\n")
    with pytest.raises(UserError) as refusal:
        registry.reporters.resolve(spec.replace("{tmp}", str(tmp_path))).check()
    assert said.replace("{tmp}", str(tmp_path)) in str(refusal.value)
    assert (tmp_path / "text").read_text() == "mine,not yours\n"
    assert {each.name for each in tmp_path.iterdir()} == {"text"}
