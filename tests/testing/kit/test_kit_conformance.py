"""The kit as an author has it: `conformance` in a suite of its own, in a pytest session of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults import FAULTS

from tlbench.testing.kit.checks import checks_for

SUITE = """
from tlbench.testing import conformance

test_half = conformance("strategy", "faulty/half", plugin="faulty.py")
test_typo = conformance("metric", "faulty/hlaf", plugin="faulty.py")
"""
PROBE = """
import json, sys
import tlbench.testing
first = sorted(set(sys.modules) & {"torch", "numpy", "pydantic", "pluggy", "pytest"})
from tlbench.testing import CheckResult
print(json.dumps([first, sorted(set(sys.modules) & {"torch"})]))
"""


@pytest.mark.slow
def test_each_check_is_a_test_and_a_failure_is_one_sentence(tmp_path: Path) -> None:
    fault = next(each for each in FAULTS if each.fault == "two trainings are stated as one")
    (tmp_path / "faulty.py").write_text(fault.source)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-rsf", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=outer, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    own = [each for each in checks_for("strategy") if each.kind == "strategy"]
    assert f"test_half[{own[0].name}]" not in done.stdout  # it passed
    assert f"strategy faulty/half: {fault.says}" in done.stdout
    assert "it does not state head_only" in done.stdout
    assert "metric faulty/hlaf: unknown metric 'faulty/hlaf'" in done.stdout
    assert "Traceback" not in done.stdout


def test_importing_the_kit_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []]


def test_every_check_has_a_name_of_its_own_and_says_what_it_looks_at() -> None:
    for kind in ("plugin", "backbone", "dataset", "task", "strategy", "metric", "reporter", "executor"):
        checks = checks_for(kind)
        names = [each.name for each in checks]
        assert len(set(names)) == len(names) > 3
        assert all((each.run.__doc__ or "").rstrip().endswith(".") for each in checks), kind
