"""What docs/ci.md and docs/pytest.md say is run as it stands there, as far as it needs no service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Finished

DOCS = Path(__file__).parents[2] / "docs"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
CONFIG = """
backbones = ["small_cnn"]
strategies = ["freeze"]
datasets = ["digits:train=96:test=60"]
epochs = 1
lr = 0.01
gates = ["accuracy=1.0"]
"""


def block(page: str, language: str, place: int = 0) -> str:
    """A block of code of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)[place]


@pytest.mark.slow
def test_the_shell_job_ends_with_the_status_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text(CONFIG)
    script = block("ci.md", "sh")
    environment = os.environ | {"PATH": PATH, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}

    def job() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    first = job()
    assert first.returncode == 2 and "there is no run 'base'" in first.stderr
    shutil.copytree(tmp_path / "results" / "head", tmp_path / "results" / "base")
    again = job()
    assert again.returncode == 0, again.stderr
    (suite,) = ET.parse(tmp_path / "compare.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert "## tlbench compare base head" in (tmp_path / "summary.md").read_text()


def test_the_commands_of_the_gitlab_job_write_the_reports_that_it_names(trained: tuple[Path, Finished]) -> None:
    job: dict[str, Any] = yaml.safe_load(block("ci.md", "yaml", 1))["benchmark"]
    folder = trained[0] / "gitlab"
    for name in ("results/head", "base/results/head"):
        shutil.copytree(trained[0] / "results" / "trained", folder / name)
    compare = next(command for command in job["script"] if "tlbench compare" in command)
    for command in (compare, *job["after_script"]):
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=folder,
            env=os.environ | {"PATH": PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    reports = job["artifacts"]["reports"]
    assert all((folder / name).stat().st_size for name in (*reports["junit"], reports["metrics"]))


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    action = yaml.safe_load((DOCS.parent / "action.yml").read_text("utf-8"))
    steps = yaml.safe_load(block("ci.md", "yaml"))["jobs"]["benchmark"]["steps"]
    (given,) = (step["with"] for step in steps if step["uses"].startswith("acme/tlbench@"))
    assert set(given) < set(action["inputs"])


@pytest.mark.slow
def test_the_suite_of_the_page_passes(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_page.py").write_text(block("pytest.md", "python"))
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest"]
    done = subprocess.run(command, cwd=tmp_path, env=outer, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout
