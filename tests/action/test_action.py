"""`action.yml`: its steps run in order as a runner would, with a tiny run; a gate that passes, and one that falls."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from action_runner import ACTION, Runner
from safetensors.numpy import load_file, save_file

import tlbench
from tlbench.results.store import RunFolder

ARGUMENTS = "--backbones small_cnn --strategies freeze --datasets 'digits:train=96:test=60' --epochs 2 --lr 0.01"
EVENT = {"pull_request": {"number": 7}, "repository": {"default_branch": "main"}}
OWN = {"head_branch": "main", "head_repository_id": 1, "repository_id": 1}


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The job of a push to main: nothing to compare with yet."""
    runner = Runner(
        tmp_path_factory.mktemp("main"), {"arguments": ARGUMENTS}, {"repository": {"default_branch": "main"}}
    )
    (runner.folder / "gh" / "artifacts.json").write_text('{"artifacts": []}')
    assert runner.go() == 0, runner.log
    return runner


def pull_request(folder: Path, main: Runner, **inputs: str) -> Runner:
    """The job of a pull request, to which GitHub gives the artifact that main has uploaded."""
    runner = Runner(folder, {"arguments": ARGUMENTS, "gates": "accuracy=1.0\n", **inputs}, EVENT)
    artifact = {"id": 3, "created_at": "2026-01-02", "expired": False, "workflow_run": OWN}
    (folder / "gh" / "artifacts.json").write_text(json.dumps({"artifacts": [artifact]}))
    shutil.make_archive(str(folder / "gh" / "artifact"), "zip", main.runs)
    return runner


def improve(run: Path) -> None:
    """Let every test example have been right."""
    folder = RunFolder(run)
    for record in folder.records():
        assert record.metrics is not None and record.predictions is not None
        kept = load_file(folder.trials / record.predictions)
        kept["example_scores"][:] = 1
        save_file(kept, folder.trials / record.predictions)
        test = record.metrics.test | {"accuracy": 1.0}
        folder.write_record(record.model_copy(update={"metrics": record.metrics.model_copy(update={"test": test})}))


@pytest.mark.slow
def test_the_first_job_runs_reports_and_compares_with_nothing(main: Runner) -> None:
    assert [record.status for record in tlbench.load(main.runs / "head")] == ["ok"]
    assert "::notice::main has no artifact tlbench yet" in main.log
    assert "compare" not in main.steps and "no comment: not a pull request" in main.log
    assert main.summary.startswith("## tlbench run head")
    written = {file.name for file in (main.runs / "report").iterdir()}
    assert {"trials.csv", "junit.xml", "metrics.txt"} < written
    assert main.calls() == [["GET", "repos/acme/photos/actions/artifacts?name=tlbench&per_page=100"]]


@pytest.mark.slow
def test_a_gate_that_passes_leaves_no_comment(main: Runner, tmp_path: Path) -> None:
    runner = pull_request(tmp_path, main)
    assert runner.go() == 0, runner.log
    assert runner.steps["compare"]["outputs"] == {"status": "0"}
    assert "Gate accuracy=1.0: passed" in runner.log
    assert "## tlbench compare base head" in runner.summary and runner.summary.count("## tlbench compare") == 1
    assert "no comment: nothing has changed" in runner.log
    assert [method for method, _ in runner.calls()] == ["GET", "GET", "GET"]


@pytest.mark.slow
def test_a_gate_that_falls_fails_the_job_with_a_comment_that_is_updated_in_place(main: Runner, tmp_path: Path) -> None:
    better = tmp_path / "better"
    shutil.copytree(main.runs / "head", better)
    improve(better)
    runner = pull_request(tmp_path / "job", main, baseline=str(better))
    assert runner.go() == 3, runner.log
    assert runner.steps["Judge"]["status"] == 3 and "::error::a gate fell" in runner.log
    body = json.loads((runner.folder / "gh" / "comment.json").read_text())["body"]
    assert body.startswith("<!-- tlbench tlbench -->\n### tlbench: failed\n")
    assert "**worse**" in body and "Gate accuracy=1.0: FAILED: small_cnn × freeze" in body
    assert "(https://github.com/acme/photos/actions/runs/77)" in body
    assert '<failure message="Gate accuracy=1.0' in (runner.runs / "report" / "compare.junit").read_text("utf-8")
    assert runner.calls()[-1] == ["POST", "repos/acme/photos/issues/7/comments"]

    shutil.rmtree(runner.runs / "base")
    runner.inputs["baseline"] = "tlbench"
    assert runner.go() == 0, runner.log
    assert runner.calls()[-1] == ["PATCH", "repos/acme/photos/issues/comments/5"]
    updated = json.loads((runner.folder / "gh" / "comment.json").read_text())["body"]
    assert updated.startswith("<!-- tlbench tlbench -->\n### tlbench: nothing has changed\n")


@pytest.mark.slow
def test_a_run_that_can_not_be_compared_is_uploaded_all_the_same(main: Runner, tmp_path: Path) -> None:
    runner = pull_request(tmp_path, main, arguments=ARGUMENTS.replace("--epochs 2", "--epochs 1"))
    assert runner.go() == 2, runner.log
    assert "protocol.epochs is 2 in base and 1 in head" in runner.log
    upload = next(step for step in ACTION["runs"]["steps"] if step["name"] == "Upload")
    assert runner.holds(upload["if"], success=False)
    assert "Judge" not in runner.steps
    body = json.loads((runner.folder / "gh" / "comment.json").read_text())["body"]
    assert "The run can't be compared with the base" in body


@pytest.mark.slow
def test_a_request_that_can_not_be_run_ends_the_job(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"arguments": "--strategies freze"}, EVENT)
    assert runner.go() == 2
    assert list(runner.steps) == ["run"] and "did you mean freeze" in runner.log
    assert not any(runner.holds(step.get("if", ""), success=False) for step in ACTION["runs"]["steps"])


def test_inputs_are_never_part_of_a_shells_source() -> None:
    steps: list[dict[str, Any]] = ACTION["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []
    assert {step["shell"] for step in steps if "run" in step} == {"bash"}


@pytest.mark.parametrize("hostile", ["$(touch owned)", "`touch owned`", "; touch owned"])
def test_an_input_is_words_and_no_command(hostile: str, tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"arguments": f"--strategies {hostile}"}, EVENT)
    assert runner.go() != 0
    assert not list(tmp_path.rglob("owned"))
