"""`tlbench compare` on the real command line: what it prints, and with which status it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cli, Finished
from safetensors.numpy import load_file, save_file

from tlbench.results.records import Record
from tlbench.results.store import RunFolder

Change = Callable[[Record], Record]


@pytest.fixture(scope="module")
def runs(trained: tuple[Path, Finished], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: the trained one, and copies of it that are worse in what their names say."""
    results = tmp_path_factory.mktemp("compared") / "results"
    source = trained[0] / "results" / "trained"
    shutil.copytree(source, results / "trained")
    for name, change in (("less-accurate", lose_accuracy), ("slow", slow_down), ("elsewhere", move)):
        shutil.copytree(source, results / name)
        folder = RunFolder(results / name)
        for record in folder.records():
            folder.write_record(change(record, folder))
    return results.parent


def lose_accuracy(record: Record, folder: RunFolder) -> Record:
    """Every fourth image that was right is wrong."""
    assert record.metrics is not None and record.predictions is not None
    kept = load_file(folder.trials / record.predictions)
    kept["example_scores"][kept["example_scores"].nonzero()[0][::4]] = 0
    save_file(kept, folder.trials / record.predictions)
    test = record.metrics.test | {"accuracy": float(kept["example_scores"].mean())}
    return record.model_copy(update={"metrics": record.metrics.model_copy(update={"test": test})})


def slow_down(record: Record, folder: RunFolder) -> Record:
    assert record.cost is not None
    seconds = record.cost.train_seconds * (10 + record.trial.seed / 100)
    return record.model_copy(update={"cost": record.cost.model_copy(update={"train_seconds": seconds})})


def move(record: Record, folder: RunFolder) -> Record:
    return slow_down(record, folder).model_copy(update={"environment": {**(record.environment or {}), "boot_id": "x"}})


def test_a_run_passes_every_gate_beside_itself(cli: Cli, runs: Path) -> None:
    found = cli("compare", "trained", "trained", "--gate", "accuracy=0", "--results", str(runs / "results"))
    assert (found.status, found.stderr) == (0, "")
    assert "efficientnet_lite0 × full" in found.stdout and "Accuracy of 2 cells: 2 tie." in found.stdout
    assert "\x1b" not in found.stdout


def test_a_loss_of_accuracy_fails_its_gate_with_status_3_and_says_why(cli: Cli, runs: Path) -> None:
    found = cli("compare", "trained", "less-accurate", "--gate", "accuracy=1.0", "--results", str(runs / "results"))
    assert found.status == 3
    assert "Gate accuracy=1.0: FAILED: efficientnet_lite0 × freeze: -" in found.stdout
    assert "beyond the gate, and certain." in found.stdout
    back = cli("compare", "less-accurate", "trained", "--gate", "accuracy=1.0", "--results", str(runs / "results"))
    assert back.status == 0 and "within the gate (better)." in back.stdout


def test_costs_of_one_machine_are_gated_and_those_of_another_job_told(cli: Cli, runs: Path) -> None:
    options = ("--gate", "full:train_seconds=50%", "--results", str(runs / "results"))
    assert cli("compare", "trained", "slow", *options).status == 3
    found = cli("compare", "trained", "elsewhere", *options)
    assert found.status == 0
    assert "not judged, measured by different jobs; costs compare inside one job alone: tlbench ab" in found.stdout


def test_the_summary_of_a_ci_step_has_the_comparison(cli: Cli, runs: Path, tmp_path: Path) -> None:
    arguments = ("compare", "trained", "less-accurate", "--results", str(runs / "results"))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    cli(*arguments, environment={"GITHUB_STEP_SUMMARY": str(summary)})
    written = summary.read_text()
    assert written.startswith("before\n## tlbench compare trained less-accurate\n\n| Cell | Metric |")
    found = cli(*arguments, environment={"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert found.status == 0 and "warning: $GITHUB_STEP_SUMMARY" in found.stderr


def test_json_parses_and_markdown_is_a_table(cli: Cli, runs: Path) -> None:
    options = ("--results", str(runs / "results"), "--only-changed")
    document = json.loads(cli("compare", "trained", "less-accurate", "--format", "json", *options).stdout)
    assert {each["verdict"] for each in document["cells"]} == {"worse", "tie"}
    assert document["changed"] is True
    same = json.loads(cli("compare", "trained", "trained", "--format", "json", *options).stdout)
    assert same["changed"] is False
    markdown = cli("compare", "trained", "less-accurate", "--format", "markdown", *options).stdout.splitlines()
    assert markdown[0] == "| Cell | Metric | Base | Head | Change | p | Verdict |"
    assert markdown[2].endswith("| **worse** |")


def test_junit_fails_where_the_command_does_and_goes_into_a_file(cli: Cli, runs: Path, tmp_path: Path) -> None:
    options = ("--results", str(runs / "results"), "--gate", "accuracy=1.0", "--format", "junit")
    found = cli("compare", "trained", "less-accurate", *options, "-o", "compare.xml")
    assert (found.status, found.stdout) == (3, "")
    assert '<failure message="Gate accuracy=1.0: FAILED' in (tmp_path / "compare.xml").read_text("utf-8")
    refused = cli("compare", "trained", "trained", *options, "-o", "nowhere/compare.xml")
    assert refused.status == 2
    assert refused.stderr == "error: nowhere/compare.xml can't be written: No such file or directory\n"


def test_gates_of_a_configuration_are_those_of_the_command(cli: Cli, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text('seeds = 2\ngates = ["accuracy=1.0"]\n')
    options = ("--config", "bench.toml", "--results", str(runs / "results"))
    assert cli("compare", "trained", "less-accurate", *options).status == 3
    planned = cli("run", "--config", "bench.toml", "--dry-run", "--epochs", "1")
    assert planned.status == 0, planned.stderr


def test_mistakes_are_one_sentence_with_status_2(cli: Cli, runs: Path) -> None:
    results = ("--results", str(runs / "results"))
    for arguments, said in (
        (("trained", "traned"), "there is no run 'traned'"),
        (("trained", "trained", "--gate", "acc=1"), "there is no column 'acc'"),
        (("trained", "trained", "--gate", "accuracy"), "is no gate"),
        (("trained", "none.csv"), "none.csv can't be read"),
        (("trained", "trained", "--config", "none.toml"), "--config none.toml can't be read"),
    ):
        found = cli("compare", *arguments, *results)
        assert found.status == 2 and found.stdout == ""
        assert found.stderr.startswith("error: ") and said in found.stderr and len(found.stderr.splitlines()) == 1


def test_an_unfinished_run_is_compared_and_said_to_be(cli: Cli, runs: Path) -> None:
    shutil.copytree(runs / "results" / "trained", runs / "results" / "half")
    for path in sorted((runs / "results" / "half" / "trials").glob("*-1.json")):
        path.unlink()
    found = cli("compare", "trained", "half", "--results", str(runs / "results"))
    assert found.status == 0
    assert "warning: run half is not finished: 2 of 4 planned trials have no record" in found.stderr


def test_csv_files_are_compared_as_runs_are(cli: Cli, runs: Path, tmp_path: Path) -> None:
    for name in ("trained", "slow"):
        found = cli("show", name, "--format", "csv", "--results", str(runs / "results"))
        (tmp_path / f"{name}.csv").write_text(found.stdout)
    found = cli("compare", "trained.csv", "slow.csv", "--gate", "train_seconds=5%")
    assert found.status == 3
    assert "builtin/full: +9" in found.stdout


def test_runs_are_merged_and_mistakes_said(cli: Cli, runs: Path) -> None:
    results = ("--results", str(runs / "results"))
    done = cli("merge", "trained", "slow", "--name", "merged", *results)
    assert done.status == 0 and done.stdout == ""
    assert "4 records in " in done.stderr and "4 records that several runs have" in done.stderr
    assert cli("show", "merged", *results).status == 0
    for arguments, said in (
        (("trained", "--name", "x"), "takes two runs or more"),
        (("trained", "slow", "--name", "merged"), "run merged in"),
        (("trained", "slow", "--name", "../x"), "can't name a folder"),
        (("trained", "less-accurate", "--name", "x"), "4 trials with other results in several runs"),
        (("trained", "nope", "--name", "x"), "there is no run 'nope'"),
    ):
        found = cli("merge", *arguments, *results)
        assert found.status == 2 and said in found.stderr and len(found.stderr.splitlines()) == 1
