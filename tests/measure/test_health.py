"""What spoils measurements, by readings made to order; and what is read on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tlbench.measure.environment import at_start, machine
from tlbench.measure.health import cpu_quota_cores, findings, readings
from tlbench.measure.machine import Readings

CPU = torch.device("cpu")
MACHINE = machine(CPU).model_copy(update={"usable_cores": 4, "governor": None})
STATE = at_start(CPU).model_copy(update={"threads": 4, "load_average": 0.5})
QUIET: dict[str, Any] = {
    "busy_percent": 2.0,
    "swapped_bytes_per_second": 0.0,
    "available_memory_share": 0.7,
    "cpu_quota_cores": None,
    "throttled_times": None,
    "gpu_slowed": None,
    "other_gpu_processes": None,
    "on_battery": None,
    "product_jitter_percent": 3.0,
}


def test_a_quiet_machine_has_no_findings() -> None:
    assert findings(MACHINE, STATE, Readings(**QUIET)) == []


@pytest.mark.parametrize(
    ("reading", "problem", "remedy"),
    [
        ({"busy_percent": 40.0}, "keep the CPU 40 % busy", "close them"),
        ({"swapped_bytes_per_second": 5 * 2**20}, "swaps 5 MiB a second", "--batch-size"),
        ({"available_memory_share": 0.04}, "4 % of the memory is available", "close what holds it"),
        ({"throttled_times": 3}, "slowed down by heat 3 times", "cool the machine"),
        ({"gpu_slowed": True}, "the GPU's clock is slowed down", "cool it"),
        ({"other_gpu_processes": 2}, "2 other processes compute on the GPU", "--device cuda:N"),
        ({"on_battery": True}, "battery", "plug it in"),
        ({"product_jitter_percent": 25.0}, "takes 25 % more at its p95", "tlbench doctor --noise"),
    ],
)
def test_each_reading_that_is_bad_is_said_with_its_remedy(reading: dict[str, Any], problem: str, remedy: str) -> None:
    (finding,) = findings(MACHINE, STATE, Readings(**QUIET | reading))
    assert problem in finding.problem
    assert remedy in finding.remedy


def test_more_threads_than_cores() -> None:
    (finding,) = findings(MACHINE, STATE.model_copy(update={"threads": 8}), Readings(**QUIET))
    assert finding.problem == "torch runs 8 threads on 4 usable cores"
    assert finding.remedy == "set OMP_NUM_THREADS=4"


def test_a_quota_below_the_cores_and_the_threads_that_it_makes_too_many() -> None:
    threads, quota = findings(MACHINE, STATE, Readings(**QUIET | {"cpu_quota_cores": 1.5}))
    assert threads.remedy == "set OMP_NUM_THREADS=1"
    assert "grants 1.5 cores' time of 4 cores" in quota.problem


def test_a_governor_that_saves_power() -> None:
    (finding,) = findings(MACHINE.model_copy(update={"governor": "powersave"}), STATE, Readings(**QUIET))
    assert "'powersave'" in finding.problem


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_quotas_of_both_versions_of_control_groups(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_quota_cores(tmp_path) == cores


def test_this_machine_can_be_read() -> None:
    found = readings(CPU, seconds=0.2)
    assert 0 <= found.busy_percent <= 100
    assert 0 < found.available_memory_share < 1
    assert found.product_jitter_percent >= 0
    assert found.other_gpu_processes is None


def test_a_load_above_the_cores() -> None:
    (finding,) = findings(MACHINE, STATE.model_copy(update={"load_average": 6.0}), Readings(**QUIET))
    assert finding.problem == "the load of the last minute is 1.5 per core"
    assert "close other programs" in finding.remedy
