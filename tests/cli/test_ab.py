"""`tlbench ab` on the real command line: two interpreters in turns, one of them made slow."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from conftest import Cli

CELL = (
    "--backbones", "small_cnn", "--strategies", "full", "--datasets", "digits:train=96:test=20", "--image-size", "32",
    "--epochs", "1",
)  # fmt: skip
SLOW_STEP = """
import sys, time

class Finder:
    # torch's optimizer waits before each step, from the moment that the engine wants one
    def find_spec(self, name, path, target=None):
        if name == "tlbench.engine.recipe":
            sys.meta_path.remove(self)
            import torch
            step = torch.optim.AdamW.step

            def slow(self, *arguments):
                time.sleep(0.1)
                return step(self, *arguments)

            torch.optim.AdamW.step = slow
        return None

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def slow_python(tmp_path: Path) -> str:
    """An interpreter like this one, whose optimizer takes a tenth of a second more for a step."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW_STEP)
    script = tmp_path / "slow" / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "slow"} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.slow
def test_a_round_measures_both_sides_and_one_is_not_enough_to_be_certain(
    cli: Cli, slow_python: str, tmp_path: Path
) -> None:
    sides = ("--base", sys.executable, "--head", slow_python)
    finished = cli("ab", *sides, "--rounds", "1", "--gate", "step_ms=50%", "--format", "json", "--name", "slow", *CELL)
    assert finished.status == 0, finished.stderr
    found = json.loads(finished.stdout)
    (measured,) = found["first"]["rounds"]
    base, head = (measured[side]["small_cnn × full"]["step_ms"][0] for side in ("base", "head"))
    assert head > base + 90
    change = found["first"]["comparison"]["cells"][0]["changes"]["step_ms"]
    assert (change["base"], change["head"], change["verdict"]) == (base, head, "tie")
    assert found["first"]["undecided"] == [{"gate": "step_ms=50%", "cell": "small_cnn × full"}]
    assert (found["rerun"], found["confirmed"]) == (None, [])
    assert json.loads((tmp_path / "results" / "slow" / "ab.json").read_text()) == found
    assert "round 1 (base first" in finished.stderr
    shown = cli("show", "slow/head-0", "--format", "json")
    assert [each["status"] for each in json.loads(shown.stdout)["records"]] == ["ok"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--base", "nothing-like-it"), "'nothing-like-it' is neither an interpreter, nor an environment"),
        (("--base", sys.executable, "--dry-run"), "does not take --dry-run"),
        (("--base", sys.executable, "--gate", "step_ms"), "is no gate"),
        (("--base", sys.executable, "--backbones", "resnet5000"), "base .* can't run this: unknown backbone"),
        (("--base", sys.executable, "--epochz", "3"), "No such option"),
    ],
)
def test_a_mistake_ends_with_2_before_anything_is_measured(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    finished = cli("ab", *arguments)
    assert finished.status == 2
    assert re.search(said, finished.stderr), finished.stderr
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("trials/*.json"))
