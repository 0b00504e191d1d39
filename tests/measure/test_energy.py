"""Energy by RAPL's files, laid out as the kernel lays them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tlbench.measure.energy import EnergyMeter, energy_meter

CPU = torch.device("cpu")


def package(folder: Path, name: str, microjoules: int, wraps_at: int = 1_000_000_000) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "max_energy_range_uj").write_text(f"{wraps_at}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    return folder / name / "energy_uj"


def test_packages_add_up_and_their_parts_do_not_count_again(tmp_path: Path) -> None:
    first, second = package(tmp_path, "intel-rapl:0", 5_000_000), package(tmp_path, "intel-rapl:1", 7_000_000)
    core = package(tmp_path, "intel-rapl:0:0", 1)
    meter = energy_meter(CPU, tmp_path)
    assert (meter.source, meter.reason, meter.joules) == ("rapl", None, None)
    meter.start()
    first.write_text("8000000\n")
    core.write_text("2000000\n")
    meter.sample()
    second.write_text("7500000\n")
    meter.sample()
    assert meter.joules == pytest.approx(3.5)


def test_what_is_used_between_a_sample_and_a_new_start_is_not_counted(tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", 1_000_000)
    meter = energy_meter(CPU, tmp_path)
    for used in (2, 5):
        meter.start()
        counter.write_text(str(int(counter.read_text()) + used * 1_000_000))
        meter.sample()
        counter.write_text(str(int(counter.read_text()) + 99_000_000))
    assert meter.joules == pytest.approx(7.0)


def test_a_counter_that_starts_again_from_0(tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", 990_000_000)
    meter = energy_meter(CPU, tmp_path)
    meter.start()
    counter.write_text("20000000\n")
    meter.sample()
    assert meter.joules == pytest.approx(30.0)


def test_no_counter_is_null_with_the_reason(tmp_path: Path) -> None:
    meter = energy_meter(CPU, tmp_path)
    meter.start()
    meter.sample()
    assert (meter.joules, meter.source) == (None, None)
    assert meter.reason == "this machine shows no RAPL counters"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_counter_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 1).chmod(0)
    assert "can't be read by this user" in str(energy_meter(CPU, tmp_path).reason)


def test_an_accelerator_without_a_counter_says_so() -> None:
    meter: EnergyMeter = energy_meter(torch.device("mps"))
    assert meter.joules is None
    assert "mps" in str(meter.reason)
