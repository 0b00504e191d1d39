"""The fixture `tlbench` in suites of others: real pytest sessions in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PluginMaker

Session = Callable[..., subprocess.CompletedProcess[str]]

CELLS = """
CELLS = {"backbones": "small_cnn", "strategies": "freeze,full", "datasets": "digits:train=200:test=60", "epochs": 3}
"""
SUITE = f"""{CELLS}
def test_full_is_not_worse(tlbench):
    results = tlbench.run(**CELLS)
    assert results.compare("full", "freeze").verdict != "worse"


def test_the_head_alone_is_small(tlbench):
    results = tlbench.run(**CELLS)
    freeze, full = results.cell("freeze"), results.cell("small_cnn × full")
    assert 0 < freeze.primary.low < freeze.primary.mean < 1
    assert freeze.figures["trainable_parameters"] < full.figures["trainable_parameters"] / 50
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Runs pytest in a folder with one file of tests."""

    def run(
        source: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_suite.py").write_text(source)
        outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=outer | (environment or {}), capture_output=True, text=True, check=False
        )

    return run


def records(folder: Path) -> dict[str, str]:
    """By the path of each record, when its trial began."""
    return {str(file): json.loads(file.read_text())["started"] for file in folder.glob("*/trials/*.json")}


@pytest.mark.slow
def test_tests_assert_on_cells_and_sessions_share_their_trials(session: Session, tmp_path: Path) -> None:
    done = session(SUITE)
    assert "2 passed" in done.stdout, done.stdout
    assert done.stderr == "" and "trial" not in done.stdout  # what a run tells is captured
    made = records(tmp_path / ".pytest_cache" / "d" / "tlbench")
    assert len(made) == 2
    assert "2 passed" in session(SUITE).stdout
    assert records(tmp_path / ".pytest_cache" / "d" / "tlbench") == made


@pytest.mark.slow
def test_workers_of_xdist_run_each_trial_once(session: Session, tmp_path: Path) -> None:
    done = session(SUITE, "-n", "2", "--tlbench-results", "kept", "-p", "no:cacheprovider")
    assert "2 passed" in done.stdout, done.stdout
    assert len(records(tmp_path / "kept")) == 2
    (log,) = tmp_path.glob("kept/*/config.toml")
    assert "small_cnn" in log.read_text()


@pytest.mark.slow
def test_cells_are_benchmarks_of_pytest_benchmark(session: Session, tmp_path: Path) -> None:
    kept = ("--tlbench-results", "kept")
    done = session(SUITE, *kept, "--benchmark-json", "benchmarks.json", "--benchmark-autosave")
    assert "2 passed" in done.stdout and "benchmark 'step_ms': 2 tests" in done.stdout, done.stdout
    (run,) = (tmp_path / "kept").glob("*/trials")
    costs = [json.loads(file.read_text()) for file in run.glob("*.json")]
    found = json.loads((tmp_path / "benchmarks.json").read_text())["benchmarks"]
    assert len(found) == len({each["fullname"] for each in found}) == 4  # two tests used the same cells
    (full,) = (each for each in found if each["name"] == "step[small_cnn × full]")
    (record,) = (each for each in costs if each["trial"]["cell"]["strategy"] == "builtin/full")
    assert full["stats"]["data"] == [pytest.approx(record["cost"]["phases"][0]["step_ms"]["median"] / 1e3)]
    assert full["extra_info"]["accuracy"] == record["metrics"]["test"]["accuracy"]
    assert full["extra_info"]["measured"][:19] == min(each["started"] for each in costs)[:19]
    compared = session(SUITE, *kept, "--benchmark-compare", "--benchmark-compare-fail", "mean:1%")
    assert "2 passed" in compared.stdout and "(NOW)" in compared.stdout, compared.stdout
    (tmp_path / "benchmarks.json").unlink()
    disabled = session(SUITE, *kept, "--benchmark-disable", "--benchmark-json", "benchmarks.json")
    assert "2 passed" in disabled.stdout and not (tmp_path / "benchmarks.json").exists()


RAISES = """
from tlbench import Train, hookimpl, strategy

tlbench_api = 1


@strategy("broken", learning_rates={"adamw": 1e-3})
def broken(model, options):
    \"\"\"Raise.\"\"\"
    yield Train(model.head)
    raise ValueError("there is no layer 13")


@hookimpl
def tlbench_register_strategies(register):
    register(broken)
"""


@pytest.mark.slow
def test_a_trial_that_fails_fails_the_test_with_its_reason(session: Session, plugin: PluginMaker) -> None:
    source = f"""{CELLS}
def test_it(tlbench):
    tlbench.run(**CELLS | {{"strategies": "majority,broken"}})
"""
    done = session(source, environment=plugin("broken", RAISES).environment)
    assert "1 failed" in done.stdout, done.stdout
    assert "Failed: tlbench: 1 of 2 trials did not end well:" in done.stdout
    assert re.search(r"small_cnn × broken on digits.*, seed 0: failed: .*there is no layer 13", done.stdout)
    assert ">       tlbench.run(**CELLS" in done.stdout  # the test's line, and none of tlbench's
    assert "bench.py" not in done.stdout and "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('tlbench.run(strategies="freze")', "did you mean freeze"),
        ("tlbench.run(epoch=2)", "tlbench.run has no argument 'epoch'; did you mean epochs?"),
        ("tlbench.run(seeds=0)", "--seeds 0: "),
        ("LOADED.compare('freze', 'full')", "there is no row 'freze'"),
    ],
)
def test_a_mistake_is_the_tests_line_and_a_sentence(session: Session, statement: str, said: str) -> None:
    reference = Path(__file__).parents[2] / "results" / "reference"
    source = f"""
import tlbench as package

LOADED = package.load({str(reference)!r})


def test_it(tlbench):
    {statement}
"""
    done = session(source)
    assert "1 failed" in done.stdout, done.stdout
    assert said in done.stdout and f">       {statement}" in done.stdout
    assert "api.py" not in done.stdout and "bench.py" not in done.stdout


HEAVY = ("torch", "numpy", "scipy", "pydantic", "rich", "filelock", "tlbench.api")
PROBE = f"""
import sys


def test_nothing_is_imported():
    assert "tlbench.testing.plugin" in sys.modules
    assert not [name for name in {HEAVY!r} if name in sys.modules]
"""


def test_the_plugin_imports_nothing_heavy_and_adds_one_option(session: Session) -> None:
    done = session(PROBE, "-p", "no:benchmark", "-p", "no:xdist", "-p", "no:timeout")
    assert "1 passed" in done.stdout, done.stdout
    shown = session(PROBE, "--help").stdout
    assert re.findall(r"--tlbench\S*", shown) == ["--tlbench-results=DIR"]
    assert "no tests ran" in session("", "-p", "no:tlbench").stdout
