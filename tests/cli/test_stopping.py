"""Runs that are stopped, killed and taken up again lose nothing that was finished."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from conftest import TLBENCH, Cli, PluginMaker

SLOW = '''
import time
from tlbench import Train, hookimpl, strategy

tlbench_api = 1

@strategy("quick", learning_rates={"adamw": 1e-3})
def quick(model, options):
    yield Train(model.head)

@strategy("slow", learning_rates={"adamw": 1e-3})
def slow(model, options):
    import os, pathlib
    pathlib.Path("slow-began").touch()
    yield Train(model.head, penalty=lambda m: time.sleep(0.01 if os.environ.get("HURRY") else 60) or 0.0)

@hookimpl
def tlbench_register_strategies(register):
    register(quick)
    register(slow)
'''  # fmt: skip

COMMAND = (
    *("run", "--name", "stopped", "--backbones", "small_cnn", "--strategies", "quick,slow"),
    *("--datasets", "digits:train=64:test=40", "--epochs", "1"),
)


def started(folder: Path, plugin: PluginMaker, **variables: str) -> subprocess.Popen[str]:
    """A run whose first trial is on disk and whose second one will not end."""
    process = subprocess.Popen(
        [TLBENCH, *COMMAND],
        cwd=folder,
        env=os.environ | plugin("slow", SLOW).environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    patience = time.monotonic() + 120
    while len(list(folder.glob("results/stopped/trials/*.json"))) < 1 or not (folder / "slow-began").exists():
        assert time.monotonic() < patience
        assert process.poll() is None
        time.sleep(0.05)
    return process


def trial_processes(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes below the fork server."""
    return psutil.Process(process.pid).children(recursive=True)


def records(folder: Path) -> dict[Path, float]:
    """The trials' documents and when they were written."""
    return {file: file.stat().st_mtime for file in folder.glob("results/stopped/trials/*.json")}


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_resume_does_the_rest(cli: Cli, tmp_path: Path, plugin: PluginMaker) -> None:
    process = started(tmp_path, plugin)
    first = records(tmp_path)
    process.send_signal(signal.SIGINT)
    table, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said and "leaked" not in said
    assert "1 ok, 1 interrupted" in said
    assert "tlbench resume results/stopped" in said
    assert "interrupted" in table
    assert len(records(tmp_path)) == 2

    resumed = cli("resume", "stopped", environment=plugin.environment | {"HURRY": "1"})
    assert resumed.status == 0, resumed.stderr
    assert "1 done already, 1 to go" in resumed.stderr
    after = records(tmp_path)
    assert len(after) == 2
    assert all(after[file] == written for file, written in first.items())


@pytest.mark.slow
def test_sigkill_loses_only_the_running_trial_and_leaves_no_process(
    cli: Cli, tmp_path: Path, plugin: PluginMaker
) -> None:
    temporary = Path(tempfile.mkdtemp())  # a short path: the fork server's socket lies in it, too
    process = started(tmp_path, plugin, TMPDIR=str(temporary))
    first = records(tmp_path)
    children = trial_processes(process)
    process.kill()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert records(tmp_path) == first
    assert list(temporary.glob("tlbench-*"))

    environment = plugin.environment | {"HURRY": "1", "TMPDIR": str(temporary)}
    again = cli(*COMMAND, environment=environment)  # the same command with the same name
    assert again.status == 0, again.stderr
    assert not [*temporary.glob("tlbench-*"), *temporary.glob("pymp-*")]  # what the killed run left is gone, too
    shutil.rmtree(temporary)
    assert "1 done already, 1 to go" in again.stderr
    assert all(records(tmp_path)[file] == written for file, written in first.items())


@pytest.mark.slow
def test_a_killed_trial_is_tried_again_and_a_finished_run_has_nothing_left(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("slow", SLOW).environment
    assert cli(*COMMAND, "--timeout", "4", environment=environment).status == 1  # `slow` runs out of time
    assert "0 to go" in cli("resume", "stopped", environment=environment).stderr  # which is a result
    retried = cli("resume", "stopped", "--retry-failed", environment=environment | {"HURRY": "1"})
    assert "1 done already, 1 to go" in retried.stderr
    assert retried.status == 0
