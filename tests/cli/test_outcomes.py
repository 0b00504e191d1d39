"""What goes wrong in a trial is data: its status, its phase and step, and the other trials go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICK, Cli, Finished, PluginMaker, run_cli


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


STRATEGIES = """
import ctypes, os, time
from pathlib import Path

import torch
from tlbench import Rewrite, Train, hookimpl, strategy

tlbench_api = 1

def acting(act):
    def phases(model, options):
        calls = []
        def penalty(m):
            calls.append(1)
            if len(calls) == 3:  # the first call is the probe's, before the steps
                time.sleep(0.15)
                act()
            time.sleep(0.15)  # longer than what lies between two reports of a step
            return 0.0
        yield Train(model.head)
        yield Train(model.head, penalty=penalty)
    return phases

def nothing_to_train(model, options):
    yield Train(model.head - model.head)

def no_phase(model, options):
    yield 7

def explode_at_once(model, options):
    raise ArithmeticError("the strategy's own mistake")
    yield

def to_nan(model, options):
    yield Train(model.head)
    yield Train(model.head, lr=1e30)

def spoiled(model, options):
    yield Train(model.head)
    yield Rewrite(lambda m: [parameter.data.fill_(float("nan")) for parameter in m.module.parameters()])

def peeks(model, options):
    import gc
    from tlbench.data.batches import TrialData
    next(each for each in gc.get_objects() if isinstance(each, TrialData)).open_test()
    yield Train(model.head)

def limited():
    Path(os.environ["GROUP"], "cgroup.procs").write_text(str(os.getpid()))
    torch.ones(2**30)

ALL = {
    "fine": acting(lambda: None),
    "noisy": acting(lambda: print("a plugin prints to stdout")),
    "nothing-to-train": nothing_to_train,
    "no-phase": no_phase,
    "explode-at-once": explode_at_once,
    "explode": acting(lambda: 1 / 0),
    "to-nan": to_nan,
    "spoiled": spoiled,
    "peeks": peeks,
    "allocate": acting(lambda: torch.empty(2**55)),
    "sigkill": acting(lambda: os.kill(os.getpid(), 9)),
    "sigterm": acting(lambda: os.kill(os.getpid(), 15)),
    "segfault": acting(lambda: ctypes.string_at(0)),
    "bus-error": acting(lambda: os.kill(os.getpid(), 7)),
    "aborts": acting(lambda: os.abort()),
    "exits": acting(lambda: os._exit(3)),
    "sleeps": acting(lambda: time.sleep(99)),
    "limited": acting(limited),
}

@hookimpl
def tlbench_register_strategies(register):
    for name, phases in ALL.items():
        register(strategy(name, learning_rates={"adamw": 1e-3})(phases))
"""

EXPECTED = {
    "fine": ("ok", None, None, None, ""),
    "noisy": ("ok", None, None, None, ""),
    "nothing-to-train": ("failed", "PhaseError", 0, None, "without parameters"),
    "no-phase": ("failed", "PhaseError", 0, None, "yielded 7, which is not a phase"),
    "explode-at-once": ("failed", "ArithmeticError", None, None, "the strategy's own mistake"),
    "explode": ("failed", "ZeroDivisionError", 1, 1, "division by zero"),
    "to-nan": ("diverged", "Diverged", 1, 3, "at step 3; a lower learning rate is the usual remedy"),
    "spoiled": ("diverged", "Diverged", None, None, "outputs are not finite numbers"),
    "peeks": ("failed", "TestSplitShut", None, None, "the test split is shut until training has ended"),
    "allocate": ("out-of-memory", "RuntimeError", 1, 1, "allocate memory"),
    "sigkill": ("killed", "SIGKILL", 1, 1, "killed by SIGKILL"),
    "sigterm": ("killed", "SIGTERM", 1, 1, "killed by SIGTERM"),
    "segfault": (
        "crashed",
        "SIGSEGV",
        1,
        1,
        "the process crashed: segmentation fault (SIGSEGV); PyTorch's channels_last",
    ),
    "bus-error": ("crashed", "SIGBUS", 1, 1, "the process crashed: bus error (SIGBUS)"),
    "aborts": ("crashed", "SIGABRT", 1, 1, "the process crashed: abort (SIGABRT)"),
    "exits": ("failed", "exit status 3", 1, 1, "the trial's process died: exit status 3"),
    "sleeps": ("timeout", "Timeout", 1, 1, "longer than the limit of 6 s"),
}
"""By strategy: the status, the error's type, its phase and step, and what it says."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """One run of all of them: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("outcomes")
    (folder / "site").mkdir()
    environment = PluginMaker(folder / "site")("outcomes", STRATEGIES).environment
    command = ("run", *QUICK, "--strategies", ",".join(EXPECTED), "--timeout", "6", "--name", "all", "--json")
    return folder, run_cli(*command, cwd=folder, environment=environment)


@pytest.fixture
def by_strategy(outcomes: tuple[Path, Finished]) -> dict[str, dict[str, Any]]:
    """Its records."""
    return {record["trial"]["cell"]["strategy"].split("/")[1]: record for record in outcomes[1].records}


def test_the_run_went_to_its_end(outcomes: tuple[Path, Finished]) -> None:
    folder, finished = outcomes
    assert finished.status == 1
    assert "Traceback" not in finished.stderr
    assert len(finished.records) == len(EXPECTED)
    table = run_cli("show", "all", cwd=folder).stdout
    assert "explode, seed 0: failed: division by zero (phase 1, step 1)" in table


@pytest.mark.parametrize("name", EXPECTED)
def test_an_outcome_is_a_status_with_its_place(by_strategy: dict[str, dict[str, Any]], name: str) -> None:
    record = by_strategy[name]
    status, kind, phase, step, said = EXPECTED[name]
    assert record["status"] == status
    assert record["environment"]["packages"]["torch"]
    if kind is None:
        assert record["error"] is None
        assert record["metrics"]["test"]["accuracy"] > 0
        return
    assert (record["metrics"], record["cost"]) == (None, None)
    assert said in record["error"]["message"]
    assert (record["error"]["type"], record["error"]["phase"], record["error"]["step"]) == (kind, phase, step)


def test_what_a_plugin_raises_is_kept_with_its_traceback(by_strategy: dict[str, dict[str, Any]]) -> None:
    assert "lambda: 1 / 0" in by_strategy["explode"]["error"]["traceback"]


def test_a_crash_has_the_python_stack_of_its_threads(by_strategy: dict[str, dict[str, Any]]) -> None:
    for name in ("segfault", "aborts"):
        trace = by_strategy[name]["error"]["traceback"]
        assert "outcomes_module.py" in trace and "Extension modules" not in trace
    assert "in string_at" in by_strategy["segfault"]["error"]["traceback"]


@pytest.mark.slow
def test_what_has_crashed_is_tried_again_on_request_alone(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("outcomes", STRATEGIES).environment
    command = ("run", *QUICK, "--strategies", "segfault", "--memory-format", "contiguous", "--find-batch-size")
    (record,) = cli(*command, "--name", "crash", "--json", environment=environment).records
    assert record["status"] == "crashed"
    assert record["error"]["message"] == "the process crashed: segmentation fault (SIGSEGV)"
    assert record["trial"]["cell"]["protocol"]["batch_size"] == 32
    again = cli("resume", "crash", environment=environment)
    assert again.status == 1 and "1 done already, 0 to go" in again.stderr
    retried = cli("resume", "crash", "--retry-failed", "--json", environment=environment)
    assert retried.records[0]["started"] > record["started"]


LIMITED = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A control group of little memory, whose processes the kernel really kills."""
    group = LIMITED / f"tlbench-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(600 * 2**20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    group.rmdir()


@pytest.mark.slow
def test_the_kernels_kill_for_want_of_memory_is_out_of_memory(
    cli: Cli, plugin: PluginMaker, limited_group: Path
) -> None:
    environment = plugin("outcomes", STRATEGIES).environment | {"GROUP": str(limited_group)}
    bad, fine = cli("run", *QUICK, "--strategies", "limited,fine", "--json", environment=environment).records
    assert (bad["status"], bad["error"]["type"], bad["error"]["phase"]) == ("out-of-memory", "SIGKILL", 1)
    assert "the kernel killed the process as memory ran out" in bad["error"]["message"]
    assert fine["status"] == "ok"


COUNTING_BACKBONE = """
import torch
from torch import nn
from tlbench import Backbone, hookimpl

tlbench_api = 1

class Hungry(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images):
        if self.training and len(images) > 10:
            torch.empty(2**55)
        return self.fc(images.mean((2, 3)))

@hookimpl
def tlbench_register_backbones(register):
    register("hungry", lambda options: Backbone(lambda n, image_size, pretrained: Hungry(n), head="fc"))
"""


@pytest.mark.slow
def test_a_batch_size_that_does_not_fit_is_never_changed_unasked(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("hungry", COUNTING_BACKBONE).environment
    command = ("run", *QUICK[:-1], "small_cnn,hungry", "--strategies", "full", "--json")
    done = cli(*command, environment=environment)
    assert [record["status"] for record in done.records] == ["ok", "out-of-memory"]
    assert {record["trial"]["cell"]["protocol"]["batch_size"] for record in done.records} == {32}


@pytest.mark.slow
def test_find_batch_size_halves_in_the_open_for_all_cells(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("hungry", COUNTING_BACKBONE).environment
    command = ("run", *QUICK[:-1], "small_cnn,hungry", "--strategies", "full", "--find-batch-size", "--name", "found")
    done = cli(*command, "--json", environment=environment)
    assert done.status == 0, done.stderr
    assert "hungry/hungry × builtin/full: batch 32 does not fit" in done.stderr
    assert "batch size 8 instead of 32, for all cells alike" in done.stderr
    for record in done.records:
        protocol = record["trial"]["cell"]["protocol"]
        assert (protocol["batch_size"], protocol["asked_batch_size"]) == (8, 32)
    again = cli(*command, environment=environment)
    assert again.status == 0, again.stderr
    assert "2 done already, 0 to go" in again.stderr
    assert "batch 8 (32 asked for)" in cli("show", "found").stdout
