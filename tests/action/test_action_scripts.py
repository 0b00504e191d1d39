"""The scripts of the action by themselves: which artifact is taken, when a comment is made, what is split how."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from action_runner import ACTION, ROOT, Runner

SCRIPTS = ROOT / "action"
OWN = {"head_branch": "main", "head_repository_id": 1, "repository_id": 1}


def only(name: str) -> dict[str, Any]:
    """A step of the action."""
    found: dict[str, Any] = next(step for step in ACTION["runs"]["steps"] if step["name"] == name)
    return found


def job(folder: Path, **inputs: str) -> Runner:
    """A job of a pull request whose run is done."""
    runner = Runner(folder, inputs, {"pull_request": {"number": 7}})
    (runner.runs / "report").mkdir(parents=True)
    runner.steps["run"] = {"outputs": {"status": "0", "runs": str(runner.runs)}, "outcome": "success"}
    return runner


def artifact(number: int, **changes: Any) -> dict[str, Any]:
    run = OWN | {key: changes.pop(key) for key in tuple(changes) if key in OWN}
    return {"id": number, "created_at": f"2026-01-0{number}", "expired": False, "workflow_run": run} | changes


def test_the_newest_artifact_of_the_base_branch_is_taken_and_never_a_forks(tmp_path: Path) -> None:
    runner = job(tmp_path)
    listed = [
        artifact(1), artifact(3), artifact(2), artifact(4, expired=True), artifact(5, head_branch="topic"),
        artifact(6, head_repository_id=2),
    ]  # fmt: skip
    (tmp_path / "gh" / "artifacts.json").write_text(json.dumps({"artifacts": listed}))
    with zipfile.ZipFile(tmp_path / "gh" / "artifact.zip", "w") as archive:
        archive.writestr("head/plan.json", "{}")
        archive.writestr("../../escaped", "")
    status, outputs = runner.run_step(only("Baseline"))
    assert (status, outputs) == (0, {"path": "base"}), runner.log
    assert runner.calls()[-1] == ["GET", "repos/acme/photos/actions/artifacts/3/zip"]
    assert (runner.runs / "base" / "plan.json").read_text() == "{}"
    assert not list(tmp_path.glob("escaped"))


def test_a_path_is_a_run_or_a_csv_file(tmp_path: Path) -> None:
    for baseline, path in ((str(ROOT / "results" / "reference"), "base"), ("theirs.csv", "theirs.csv")):
        runner = job(tmp_path / path, baseline=baseline)
        (runner.folder / "workspace" / "theirs.csv").write_text("backbone,strategy,accuracy\n")
        assert runner.run_step(only("Baseline")) == (0, {"path": path}), runner.log
        assert runner.calls() == []
    runner = job(tmp_path / "neither", baseline="runs/none")
    status, outputs = runner.run_step(only("Baseline"))
    assert status == 1 and outputs == {}
    assert "::error::baseline runs/none: there is no run and no CSV file of that path" in runner.log


def test_artifacts_that_can_not_be_read_are_an_error_as_gates_would_not_be_judged(tmp_path: Path) -> None:
    runner = job(tmp_path)
    (tmp_path / "gh" / "refuse").touch()
    assert runner.run_step(only("Baseline"))[0] == 1
    assert "permissions: actions: read" in runner.log


def test_costs_are_a_reason_to_comment_and_a_fork_s_token_none_to_fail(tmp_path: Path) -> None:
    runner = job(tmp_path)
    runner.steps["ab"] = {"outputs": {"status": "3"}, "outcome": "success"}
    (runner.runs / "report" / "ab.txt").write_text("step_ms +9.1% ```\n")
    assert runner.run_step(only("Comment"))[0] == 0, runner.log
    body = json.loads((tmp_path / "gh" / "comment.json").read_text())["body"]
    assert "### tlbench: failed" in body and "````\nstep_ms +9.1% ```\n````" in body
    (tmp_path / "gh" / "refuse").touch()
    assert runner.run_step(only("Comment"))[0] == 0
    assert "::warning::no comment: gh: Resource not accessible by integration (HTTP 403)" in runner.log


@pytest.mark.parametrize(("ends_with", "step_ends_with"), [(0, 0), (3, 0), (2, 2)])
def test_costs_are_measured_by_the_command_ab_whose_fallen_gate_is_judged_at_the_end(
    tmp_path: Path, ends_with: int, step_ends_with: int
) -> None:
    """The command itself is stood in for: what counts here is what the step gives to it, and takes from it."""
    runner = job(tmp_path, **{"ab-base": "origin/main", "ab-arguments": "--gate 'step_ms=5%' --seeds 3"})
    (tmp_path / "bin" / "tlbench").write_text(f'#!/bin/sh\necho "$@"\nexit {ends_with}\n')
    (tmp_path / "bin" / "tlbench").chmod(0o755)
    status, outputs = runner.run_step(only("Costs of base and head"))
    assert (status, outputs) == (step_ends_with, {"status": str(ends_with)})
    said = (runner.runs / "report" / "ab.txt").read_text()
    assert (
        said == f"ab --base origin/main --results {runner.runs} --name ab --gate step_ms=5% --seeds 3\n"
        and said in runner.log
    )


def test_words_are_split_as_a_shell_splits_them() -> None:
    script = str(SCRIPTS / "with_words.py")
    show = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(3)"]
    words = "--datasets 'folder:my photos' \n --seeds 3 $HOME *"
    done = subprocess.run([sys.executable, script, words, *show], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout) == ["--datasets", "folder:my photos", "--seeds", "3", "$HOME", "*"]
    refused = subprocess.run([sys.executable, script, "it's", *show], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "can't be split into arguments: No closing quotation" in refused.stderr


def steps_and_scripts(folder: Path) -> list[Path]:
    """Each shell script of the action, those in action.yml among them, as a file."""
    for place, step in enumerate(step for step in ACTION["runs"]["steps"] if "run" in step):
        (folder / f"{place}.sh").write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{step['run']}\n")
    return [*folder.glob("*.sh"), *SCRIPTS.glob("*.sh")]


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck is not None
    files = map(str, steps_and_scripts(tmp_path))
    done = subprocess.run([shellcheck, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """Of the page's workflow, with the action beside it; and of the action's steps as those of a workflow."""
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("needs actionlint")
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    shutil.copy(ROOT / "action.yml", tmp_path)
    (page,) = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "docs" / "ci.md").read_text("utf-8"), re.DOTALL)
    (workflows / "page.yml").write_text(page.replace("acme/tlbench@main", "./"))
    inputs = {name: {"type": "string", "default": ""} for name in ACTION["inputs"]}
    job = {"runs-on": "ubuntu-latest", "steps": ACTION["runs"]["steps"]}
    (workflows / "steps.yml").write_text(
        yaml.safe_dump({"on": {"workflow_call": {"inputs": inputs}}, "jobs": {"steps": job}}, sort_keys=False)
    )
    done = subprocess.run([actionlint], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    (workflows / "page.yml").write_text(page.replace("acme/tlbench@main", "./").replace("gates:", "gate:"))
    wrong = subprocess.run([actionlint], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and 'input "gate" is not defined' in wrong.stdout


def test_every_input_has_a_description_and_is_used() -> None:
    written = (ROOT / "action.yml").read_text("utf-8")
    used = set(re.findall(r"inputs\.([\w-]+)", written))
    assert used == set(ACTION["inputs"])
    assert all(each["description"].strip() for each in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))
