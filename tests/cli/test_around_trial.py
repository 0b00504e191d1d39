"""A hook round a trial in its own process: a profiler or a meter can be a plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli, PluginMaker

METER = '''
import contextlib, json, os, time
from tlbench import hookimpl

tlbench_api = 1

@hookimpl
def tlbench_around_trial(trial, folder):
    @contextlib.contextmanager
    def measured():
        import torch
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            yield
        names = {event.key for event in profile.key_averages()}
        found = {"process": os.getpid(), "linear": "aten::addmm" in names}
        found |= {"seed": trial.seed, "strategy": trial.cell.strategy}
        (folder / f"{trial.id}.profile").write_text(json.dumps(found))
    return measured()
'''  # fmt: skip

BROKEN = '''
import contextlib, sys
from tlbench import hookimpl

tlbench_api = 1

class Broken:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        sys.exit(3)

@hookimpl
def tlbench_around_trial(trial, folder):
    print("said by a plugin")
    if trial.cell.strategy == "builtin/full":
        raise OSError("no meter")
    return Broken()
'''  # fmt: skip

COMMAND = (
    *("run", "--backbones", "small_cnn", "--strategies", "freeze,full", "--datasets", "digits:train=64:test=40"),
    *("--image-size", "16", "--epochs", "1", "--seeds", "2", "--vary", "order", "--name", "hooked", "--json"),
)


@pytest.mark.slow
def test_a_profiler_is_a_plugin_and_sees_each_trial_in_its_process(
    cli: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    finished = cli(*COMMAND, environment=plugin("meter", METER).environment)
    assert finished.status == 0, finished.stderr
    files = sorted((tmp_path / "results" / "hooked" / "trials").glob("*.profile"))
    found = [json.loads(file.read_text()) for file in files]
    expected = [("builtin/freeze", 0), ("builtin/full", 0), ("builtin/full", 1)]  # freeze trains both heads together
    assert sorted((each["strategy"], each["seed"]) for each in found) == expected
    assert all(each["linear"] for each in found)
    assert len({each["process"] for each in found}) == 3


@pytest.mark.slow
def test_one_that_raises_is_told_of_once_and_harms_no_trial(cli: Cli, plugin: PluginMaker) -> None:
    finished = cli(*COMMAND, environment=plugin("broken", BROKEN).environment)
    assert finished.status == 0, finished.stderr
    assert [record["status"] for record in finished.records] == ["ok"] * 4
    said = [line for line in finished.stderr.splitlines() if "plugin broken raised" in line]
    assert len(said) == 1 and "in tlbench_around_trial: " in said[0]
