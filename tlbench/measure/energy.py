"""Energy by the counters of the hardware: NVML's on NVIDIA GPUs, RAPL's on CPUs where they can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from tlbench.measure import nvml

RAPL = Path("/sys/class/powercap")

EnergyMeterKind = Literal["nvml", "rapl"]


@dataclass(frozen=True)
class Counter:
    """Joules since some moment in the past, and the value at which the count starts again from 0, if it does."""

    source: EnergyMeterKind
    read: Callable[[], float]
    wraps_at: float | None = None


class EnergyMeter:
    """Joules that the device's counters count between a `start` and the last `sample` after it.

    Call `sample` at least every half hour: RAPL's counters start again from 0 after about an hour. What is counted
    is the whole device or the whole CPU package, other processes included. Where there is no counter, `joules` is
    None and `reason` says why.
    """

    def __init__(self, counters: list[Counter], reason: str | None = None) -> None:
        self._counters = counters
        self.reason = reason
        self._last: list[float] = []
        self.joules: float | None = None

    @property
    def source(self) -> EnergyMeterKind | None:
        """Where the figure comes from."""
        return self._counters[0].source if self._counters else None

    def start(self) -> None:
        """Count from now on, on top of what was counted before."""
        if self._counters:
            self._last, self.joules = [counter.read() for counter in self._counters], self.joules or 0.0

    def sample(self) -> None:
        """Add what was used since the last call."""
        if self.joules is None:
            return
        now = [counter.read() for counter in self._counters]
        for counter, before, after in zip(self._counters, self._last, now, strict=True):
            self.joules += after - before if after >= before else after - before + (counter.wraps_at or 0.0)
        self._last = now


def energy_meter(device: torch.device, rapl: Path = RAPL) -> EnergyMeter:
    """The meter of a device."""
    if device.type == "cuda":
        return _nvml(device)
    if device.type == "cpu":
        return _rapl(rapl)
    return EnergyMeter([], f"{device.type} has no energy counter that can be read")


def _nvml(device: torch.device) -> EnergyMeter:
    try:
        import pynvml
    except ImportError:
        return EnergyMeter([], "NVML's Python package is missing: pip install 'tlbench[nvidia]'")
    try:
        handle = nvml.handle(device)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return EnergyMeter([], f"NVML: {error}")
    return EnergyMeter([Counter("nvml", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)])


def _rapl(folder: Path) -> EnergyMeter:
    """One counter a package (`intel-rapl:0`, …); the domains inside a package are parts of it."""
    packages = sorted(each for each in folder.glob("intel-rapl:*") if each.name.count(":") == 1)
    counters = []
    for package in packages:
        try:
            counter = _rapl_counter(package)
            counter.read()
        except PermissionError:
            return EnergyMeter([], f"{package}/energy_uj can't be read by this user (root may: chmod a+r)")
        except OSError as error:
            return EnergyMeter([], f"{package}: {error}")
        counters.append(counter)
    if not counters:
        return EnergyMeter([], "this machine shows no RAPL counters")
    return EnergyMeter(counters)


def _rapl_counter(package: Path) -> Counter:
    file = package / "energy_uj"
    wraps_at = int((package / "max_energy_range_uj").read_text()) / 1e6
    return Counter("rapl", lambda: int(file.read_text()) / 1e6, wraps_at)
