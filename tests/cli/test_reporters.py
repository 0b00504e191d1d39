"""Runs that are reported: every tracker at once, read back; reporters that raise, runs that are killed and go on."""

from __future__ import annotations

import csv
import json
import re
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUICK, Cli, Finished, PluginMaker, run_cli
from tracker_files import events_of, wandb_runs

MINE = """
import os, signal
from tlbench import Options, Reporter, Train, hookimpl, strategy

tlbench_api = 1

@strategy("odd", learning_rates={"adamw": 1e-3})
def odd(model, options):
    yield Train(model.head)
    raise RuntimeError("it broke")

@strategy("twice", learning_rates={"adamw": 1e-3})
def twice(model, options):
    yield Train(model.head)
    yield Train(model.everything)

@hookimpl
def tlbench_register_strategies(register):
    register(odd)
    register(twice)

class At(Options):
    moment: str

class Bad(Reporter):
    def __init__(self, moment):
        def fail(*arguments):
            raise OSError(f"no {moment}")
        setattr(self, moment, fail)

class Kills(Reporter):
    def __init__(self):
        self.number = 0

    def trial_started(self, trial):
        self.number += 1
        if self.number == 2:
            os.kill(os.getpid(), signal.SIGKILL if os.environ["END"] == "kill" else signal.SIGINT)

def make_odd(options):
    raise ValueError("no such server")

@hookimpl
def tlbench_register_reporters(register):
    register("bad", lambda options: Bad(options.moment), options=At)
    register("kills", lambda options: Kills())
    register("odd", make_odd)
    register("number", lambda options: 7)
"""

MOMENTS = ("run_started", "trial_started", "epoch_finished", "trial_finished", "run_finished")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trackers" / "trials.csv").open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened, strict=True))


def events(folder: Path, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "trackers" / "events.jsonl").read_text("utf-8").splitlines()]
    return [each for each in found if each["event"] == event]


def losses(record: dict[str, Any]) -> list[tuple[int, float]]:
    """Steps and values of the curve of training losses."""
    return [(step, epoch["train_loss"]) for step, epoch in enumerate(record["history"], start=1)]


@pytest.mark.slow
def test_a_reporter_that_raises_is_told_of_once_and_harms_neither_the_run_nor_the_others(
    cli: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    reporters = ("--reporters", ",".join(f"bad:{moment}" for moment in MOMENTS), "--reporters", "csv,jsonl")
    command = ("run", *QUICK, "--strategies", "twice", "--seeds", "2", "--name", "told", "--json", *reporters)
    finished = cli(*command, environment=plugin("mine", MINE).environment)
    assert finished.status == 0, finished.stderr
    assert [record["status"] for record in finished.records] == ["ok", "ok"]
    said = [line for line in finished.stderr.splitlines() if "mine/bad" in line]
    assert said == [
        f"warning: reporter mine/bad:moment={moment} raised in {moment}, and is told no more of this run: "
        f"OSError: no {moment}"
        for moment in MOMENTS
    ]
    folder = tmp_path / "results" / "told"
    assert [row["status"] for row in rows(folder)] == ["ok", "ok"]
    first = [(each["epoch"], each["figures"]["train_loss"]) for each in events(folder, "epoch_finished")][:2]
    assert first == losses(finished.records[0])  # one epoch of each phase, counted over both


@pytest.mark.parametrize(
    ("reporters", "said"),
    [
        ("cvs", "unknown reporter 'cvs'; did you mean csv?; `tlbench list reporters` shows all"),
        ("csv:file=results.txt", "results.txt is there already and is no log of the reporter csv; name another file"),
        ("odd", "reporter mine/odd can't be made: ValueError: no such server; leave it out of --reporters"),
        ("number", "reporter mine/number can't be made: plugin mine (mine 1.0) gave a int; its factory must return a"),
        ("bad", "reporter mine/bad needs its option moment: bad:MOMENT"),
    ],
)
def test_what_can_not_report_is_refused_before_anything_runs(
    cli: Cli, plugin: PluginMaker, tmp_path: Path, reporters: str, said: str
) -> None:
    (tmp_path / "results.txt").write_text("of yours\n")
    environment = plugin("mine", MINE).environment
    finished = cli("run", *QUICK, "--name", "refused", "--reporters", reporters, environment=environment)
    assert finished.status == 2
    assert said in finished.stderr and "Traceback" not in finished.stderr
    assert not list(tmp_path.glob("results/refused/trials/*"))


@pytest.mark.slow
def test_reporters_are_no_part_of_what_is_compared(cli: Cli, tmp_path: Path) -> None:
    """A run without any writes nothing for one, and goes on with others."""
    command = ("run", *QUICK, "--strategies", "full", "--name", "same", "--json")
    assert len(cli(*command).records) == 1
    folder = tmp_path / "results" / "same"
    assert not (folder / "trackers").exists()
    again = cli(*command, "--reporters", "jsonl")
    assert "1 done already, 0 to go" in again.stderr
    assert [each["statuses"] for each in events(folder, "run_finished")] == [{"ok": 1}]


def test_the_reporters_are_listed_with_their_options(cli: Cli) -> None:
    listed = json.loads(cli("list", "reporters", "--json").stdout)
    assert [each["name"] for each in listed] == [
        f"trackers/{name}" for name in ("csv", "jsonl", "tensorboard", "mlflow", "wandb")
    ]
    assert all(option["description"] for each in listed for option in each["options"])


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [("kill", -signal.SIGKILL), ("interrupt", 130)])
def test_a_run_that_ends_in_the_middle_leaves_what_was_finished_and_goes_on_in_the_same_files(
    cli: Cli, plugin: PluginMaker, tmp_path: Path, end: str, status: int
) -> None:
    needs("tensorboard")
    environment = plugin("mine", MINE).environment | {"END": end}
    command = ("run", *QUICK, "--strategies", "twice", "--seeds", "2", "--name", "cut")
    ended = cli(*command, "--reporters", "csv,jsonl,tensorboard,kills", environment=environment)
    assert ended.status == status
    folder = tmp_path / "results" / "cut"
    assert [row["status"] for row in rows(folder)][:1] == ["ok"]
    assert len(events(folder, "epoch_finished")) == 2
    assert [each["status"] for each in events(folder, "trial_finished")][:1] == ["ok"]

    resumed = cli("resume", "cut", "--json", environment=environment)
    assert resumed.status == 0, resumed.stderr
    last = {row["trial"]: row["status"] for row in rows(folder)}
    assert last == {record["trial"]["id"]: "ok" for record in resumed.records}
    assert events(folder, "run_finished")[-1]["statuses"] == {"ok": 2}
    assert len(events(folder, "run_started")) == 2
    for record in resumed.records:
        found = events_of(folder / "tensorboard", record["trial"]["id"])
        assert found.curve("epoch/train_loss") == single(losses(record))
        assert found.status == "STATUS_SUCCESS"


@pytest.mark.slow
def test_the_reporter_of_the_page_is_one(cli: Cli, plugin: PluginMaker) -> None:
    page = (Path(__file__).parents[2] / "docs" / "trackers.md").read_text("utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    command = ("run", *QUICK, "--strategies", "full", "--reporters", "lines:mark=*", "--json")
    finished = cli(*command, environment=plugin("page", source).environment)
    (record,) = finished.records
    accuracy = record["metrics"]["test"]["accuracy"]
    assert f"* packaged/small_cnn builtin/full ok {accuracy}" in finished.stderr.splitlines()


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A run of two trials at once, tuned, some of them trained together, some failed: told to all that is installed."""
    here = [name for name in ("tensorboard", "mlflow", "wandb") if find_spec(name)]
    folder = tmp_path_factory.mktemp("tracked")
    site = folder / "site"
    site.mkdir()
    finished = run_cli(
        *("run", *QUICK, "--epochs", "2", "--strategies", "full,freeze,odd", "--tune", "lr=1e-3,1e-2", "--seeds", "2"),
        *("--jobs", "2", "--name", "all", "--json", "--reporters", ",".join(("csv", "jsonl", *here))),
        cwd=folder,
        environment=PluginMaker(site)("mine", MINE).environment,
    )
    assert finished.status == 1, finished.stderr
    assert "raised" not in finished.stderr, finished.stderr
    return folder / "results" / "all", finished


def single(curve: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """As TensorBoard has it, in single precision."""
    return [(step, float(np.float32(value))) for step, value in curve]


def figures(record: dict[str, Any]) -> dict[str, float]:
    """Some figures of a record by the names of its columns; none of a trial that has no result."""
    if record["status"] != "ok":
        return {}
    test, val = ({f"{split}{name}": value for name, value in record["metrics"][part].items()} for split, part in SPLITS)
    costs = {name: record["cost"][name] for name in ("train_seconds", "peak_memory_bytes", "trainable_parameters")}
    return {name: value for name, value in (test | val | costs).items() if value is not None}


SPLITS = (("", "test"), ("val_", "val"))
STATES = {"ok": ("STATUS_SUCCESS", "FINISHED", 0), "failed": ("STATUS_FAILURE", "FAILED", 1)}
"""Of a status: TensorBoard's, MLflow's, and W&B's exit code."""


def needs(library: str) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'tlbench[{library}]'")


@pytest.mark.slow
def test_the_files_of_a_run_have_every_trial_with_its_figures(tracked: tuple[Path, Finished]) -> None:
    folder, finished = tracked
    assert sorted(record["status"] for record in finished.records) == ["failed"] * 2 + ["ok"] * 4
    by_id = {row["trial"]: row for row in rows(folder)}
    whole = {each["trial"]: each["record"] for each in events(folder, "trial_finished")}
    for record in finished.records:
        row = by_id[record["trial"]["id"]]
        assert {name: float(row[name]) for name in figures(record)} == figures(record)
        assert (row["status"], row["error"]) == (record["status"], (record["error"] or {}).get("message", ""))
        assert whole[record["trial"]["id"]] == record
        told = [each for each in events(folder, "epoch_finished") if each["trial"] == record["trial"]["id"]]
        assert [(each["epoch"], each["figures"]["train_loss"]) for each in told] == losses(record)  # of the chosen rate


@pytest.mark.slow
def test_tensorboard_reads_the_run(tracked: tuple[Path, Finished]) -> None:
    needs("tensorboard")
    folder, finished = tracked
    assert len(list((folder / "tensorboard").iterdir())) == len(finished.records)
    for record in finished.records:
        found = events_of(folder / "tensorboard", record["trial"]["id"])
        assert {name: found.curve(name)[0][1] for name in figures(record)} == pytest.approx(figures(record))
        curve = found.curve("epoch/train_loss") if losses(record) else []
        assert curve == single(losses(record))
        assert found.status == STATES[record["status"]][0]
        assert (found.facts["strategy"], found.facts["seed"]) == (
            record["trial"]["cell"]["strategy"],
            record["trial"]["seed"],
        )


@pytest.mark.slow
def test_mlflows_client_reads_the_run(tracked: tuple[Path, Finished]) -> None:
    needs("mlflow")
    from mlflow import MlflowClient

    folder, finished = tracked
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("all").experiment_id])
    assert len(runs) == len(finished.records)
    by_id = {run.data.tags["tlbench.trial"]: run for run in runs}
    for record in finished.records:
        run = by_id[record["trial"]["id"]]
        assert {name: run.data.metrics[name] for name in figures(record)} == figures(record)
        history = client.get_metric_history(run.info.run_id, "epoch/train_loss")
        assert [(each.step, each.value) for each in history] == losses(record)
        assert (run.info.status, run.data.tags["tlbench.status"]) == (STATES[record["status"]][1], record["status"])
        assert run.data.params["strategy"] == record["trial"]["cell"]["strategy"]
        chosen = record["learning_rate"]
        assert run.data.params.get("learning_rate") == (None if chosen is None else str(chosen))
    assert not (folder.parents[1] / "mlruns").exists()


@pytest.mark.slow
def test_wandbs_offline_files_have_the_run(tracked: tuple[Path, Finished]) -> None:
    needs("wandb")
    folder, finished = tracked
    runs = {run.config["trial"]: run for run in wandb_runs(folder / "wandb")}
    assert len(runs) == len(finished.records)
    for record in finished.records:
        run = runs[record["trial"]["id"]]
        assert {name: run.summary[name] for name in figures(record)} == figures(record)
        assert [(row["_step"], row["epoch/train_loss"]) for row in run.history] == losses(record)
        assert (run.exit_code, run.summary["status"], run.group) == (
            STATES[record["status"]][2],
            record["status"],
            "all",
        )
        assert run.config.get("learning_rate") == record["learning_rate"]
