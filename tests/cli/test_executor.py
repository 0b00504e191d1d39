"""Who runs the jobs can be a plugin: the queue, time limits and regrouping are the run's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK, Cli, PluginMaker
from safetensors.numpy import load_file


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


POOL = """
import itertools
import multiprocessing
import os
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait

from tlbench import hookimpl
from tlbench.toolkit import Ended, run_elsewhere

tlbench_api = 1

def work(job):
    if job.trial.cell.strategy.endswith("majority"):
        raise RuntimeError("the machine has gone away")
    os.environ["TLBENCH_CACHE"] = os.environ["ELSEWHERE"]  # another machine: nothing of the run's is there
    assert os.environ["RUN_FOLDER"] not in repr(job)
    return run_elsewhere(job, print_nothing)

def print_nothing(event):
    pass

class Pool:
    def __init__(self):
        self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.numbers, self.futures = itertools.count(), {}

    def submit(self, job):
        name = f"job {next(self.numbers)}"
        self.futures[name] = self.pool.submit(work, job)
        return name

    def cancel(self, job):
        self.futures.pop(job).cancel()

    def messages(self, wait_seconds):
        done, _ = wait(self.futures.values(), wait_seconds, FIRST_COMPLETED)
        for name in [name for name, future in self.futures.items() if future in done]:
            error = self.futures[name].exception()
            yield name, self.futures[name].result().returned() if error is None else Ended(
                "failed", type(error).__name__, str(error)
            )
            del self.futures[name]

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)

def make_slow(options):
    class Slow(Pool):
        def messages(self, wait_seconds):
            yield from ()
            import time
            time.sleep(wait_seconds)
    return Slow()

def make_broken(options):
    class Broken(Pool):
        def messages(self, wait_seconds):
            raise ConnectionError("the cluster is down")
    return Broken()

@hookimpl
def tlbench_register_executors(register):
    register("pool", lambda options: Pool(), summary="a pool of processes")
    register("slow", make_slow)
    register("broken", make_broken)
    register("wrong", lambda options: 7)
"""


@pytest.mark.slow
def test_an_executor_of_a_plugin_runs_the_jobs_elsewhere_and_its_failures_are_records(
    cli: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    """Jobs run without the run's folder and cache; records, predictions and models come back by value."""
    elsewhere = tmp_path / "elsewhere"
    environment = plugin("pools", POOL).environment
    environment |= {"ELSEWHERE": str(elsewhere), "RUN_FOLDER": str(tmp_path / "results")}
    arguments = (*QUICK, "--strategies", "full,majority,freeze", "--seeds", "2", "--save", "all", "--json")
    here = cli("run", *arguments, "--name", "here", environment=environment)
    there = cli("run", *arguments, "--name", "there", "--executor", "pool", environment=environment)
    assert (here.status, there.status) == (0, 1), here.stderr + there.stderr
    by_strategy = [
        {each["trial"]["cell"]["strategy"]: each for each in run.records if each["trial"]["seed"] == 0}
        for run in (here, there)
    ]
    for strategy in ("builtin/full", "builtin/freeze"):
        ours, theirs = (run[strategy] for run in by_strategy)
        assert theirs["metrics"]["test"]["accuracy"] == ours["metrics"]["test"]["accuracy"]
        assert theirs["trial"]["id"] == ours["trial"]["id"]
    failed = by_strategy[1]["builtin/majority"]
    assert (failed["status"], failed["error"]["message"]) == ("failed", "the machine has gone away")
    assert list((elsewhere / "stages" / "dataset").glob("*/train-images.npy"))
    files = [
        {
            str(file.relative_to(tmp_path / "results" / run))
            for file in (tmp_path / "results" / run).rglob("*.safetensors")
        }
        for run in ("here", "there")
    ]
    assert files[0] - files[1] == {each for each in files[0] if failed["trial"]["cell_id"] in each}
    assert files[1] and files[1] < files[0]
    for name in files[1]:
        ours, theirs = (load_file(tmp_path / "results" / run / name) for run in ("here", "there"))
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours), name
    assert "pools/pool" in cli("list", "executors", environment=environment).stdout


@pytest.mark.slow
def test_the_time_limit_is_the_queues(cli: Cli, plugin: PluginMaker) -> None:
    finished = cli(
        *("run", *QUICK, "--strategies", "full", "--executor", "slow", "--timeout", "3", "--json"),
        environment=plugin("pools", POOL).environment,
    )
    assert [(each["status"], each["error"]["type"]) for each in finished.records] == [("timeout", "Timeout")]


def test_an_executor_that_can_not_go_on_ends_the_run_with_a_sentence(cli: Cli, plugin: PluginMaker) -> None:
    finished = cli("run", *QUICK, "--executor", "broken", environment=plugin("pools", POOL).environment)
    assert finished.status == 2
    assert "the executor Broken can't go on: it raised ConnectionError: the cluster is down" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("nowhere", "unknown executor 'nowhere'; `tlbench list executors` shows all"),
        ("wrong", "executor pools/wrong can't be made: plugin pools (pools 1.0) gave a int"),
    ],
)
def test_what_is_no_executor_ends_with_a_sentence(cli: Cli, plugin: PluginMaker, executor: str, said: str) -> None:
    finished = cli("run", *QUICK, "--executor", executor, environment=plugin("pools", POOL).environment)
    assert finished.status == 2
    assert said in finished.stderr
