"""What spoils measurements on this machine now, each with its remedy."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import psutil
import torch

from tlbench.measure import nvml
from tlbench.measure.environment import other_gpu_processes
from tlbench.measure.machine import AtStart, Finding, Machine, Readings

THROTTLE_COUNTS = "devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
GPU_SLOWED = 0x8 | 0x20 | 0x40
"""NVML's reasons of a slowed clock that mean heat or failing power: hardware slowdown, software and hardware heat."""

BUSY_PERCENT = 15.0
SWAPPED_BYTES_PER_SECOND = 2**20
SCARCE_MEMORY_SHARE = 0.1
JITTER_PERCENT = 10.0


def findings(machine: Machine, state: AtStart, readings: Readings) -> list[Finding]:
    """All that is wrong, in the order of how much it usually harms."""
    found: list[Finding] = []

    def check(is_wrong: bool, problem: str, remedy: str) -> None:
        if is_wrong:
            found.append(Finding(problem=problem, remedy=remedy))

    cores = min(machine.usable_cores, readings.cpu_quota_cores or machine.usable_cores)
    check(
        readings.busy_percent > BUSY_PERCENT,
        f"other programs keep the CPU {readings.busy_percent:.0f} % busy",
        "close them, or wait until they have ended",
    )
    load = (state.load_average or 0.0) / machine.usable_cores
    check(
        load > 1,
        f"the load of the last minute is {load:.1f} per core",
        "close other programs, or wait; times are longer and vary more until then",
    )
    check(
        state.threads > cores,
        f"torch runs {state.threads} threads on {cores:g} usable cores",
        f"set OMP_NUM_THREADS={max(1, int(cores))}",
    )
    check(
        readings.cpu_quota_cores is not None and readings.cpu_quota_cores < machine.usable_cores,
        f"a control group grants {readings.cpu_quota_cores or 0:g} cores' time of {machine.usable_cores} cores",
        "raise the container's CPU limit, or pin it to whole cores",
    )
    check(
        readings.swapped_bytes_per_second > SWAPPED_BYTES_PER_SECOND,
        f"the machine swaps {readings.swapped_bytes_per_second / 2**20:.0f} MiB a second",
        "free memory, or use a smaller --batch-size or --image-size",
    )
    check(
        readings.available_memory_share < SCARCE_MEMORY_SHARE,
        f"{100 * readings.available_memory_share:.0f} % of the memory is available",
        "close what holds it, before the machine begins to swap",
    )
    check(
        bool(readings.throttled_times),
        f"the CPU was slowed down by heat {readings.throttled_times} times in a second of work",
        "cool the machine, or let it rest between runs",
    )
    check(bool(readings.gpu_slowed), "the GPU's clock is slowed down by heat or power", "cool it, or lower its load")
    check(
        bool(readings.other_gpu_processes),
        f"{readings.other_gpu_processes} other processes compute on the GPU",
        "end them, or choose another GPU with --device cuda:N",
    )
    check(
        machine.governor not in (None, "performance"),
        f"the CPU's frequency governor is {machine.governor!r}",
        "sudo cpupower frequency-set -g performance",
    )
    check(bool(readings.on_battery), "the machine runs on its battery", "plug it in")
    check(
        readings.product_jitter_percent > JITTER_PERCENT,
        f"a matrix product, repeated, takes {readings.product_jitter_percent:.0f} % more at its p95 than at its median",
        "look for what else uses the machine; compare medians over several seeds, and mind `tlbench doctor --noise`",
    )
    return found


def readings(device: torch.device, seconds: float = 1.0) -> Readings:
    """Look at the machine for a while at rest, then for a while at work."""
    before = psutil.swap_memory()
    busy = psutil.cpu_percent(interval=seconds)
    after = psutil.swap_memory()
    memory = psutil.virtual_memory()
    throttled_before = _throttle_count()
    jitter = product_jitter_percent(seconds)
    throttled_after = _throttle_count()
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    on_cuda = device.type == "cuda"
    known = throttled_before is not None and throttled_after is not None
    return Readings(
        busy_percent=busy,
        swapped_bytes_per_second=(after.sin - before.sin + after.sout - before.sout) / seconds,
        available_memory_share=memory.available / memory.total,
        cpu_quota_cores=cpu_quota_cores(),
        throttled_times=(throttled_after or 0) - (throttled_before or 0) if known else None,
        gpu_slowed=_gpu_slowed(device) if on_cuda else None,
        other_gpu_processes=other_gpu_processes(device) if on_cuda else None,
        on_battery=None if battery is None else not battery.power_plugged,
        product_jitter_percent=jitter,
    )


def product_jitter_percent(seconds: float, width: int = 512) -> float:
    """How much more one and the same matrix product on the CPU takes at its p95 than at its median, in per cent."""
    left, right = torch.randn(width, width), torch.randn(width, width)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - begun)
    steady = times[len(times) // 10 :]
    median, p95 = np.percentile(steady, [50, 95])
    return float(100 * (p95 / median - 1))


def cpu_quota_cores(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The cores' worth of time that a control group grants (versions 2 and 1); None where there is no limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass  # no control groups of version 2: version 1 is asked
    try:
        quota_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        return None if quota_us < 0 else quota_us / int((root / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None


def _throttle_count() -> int | None:
    counts = [int(file.read_text()) for file in Path("/sys").glob(THROTTLE_COUNTS)]
    return sum(counts) if counts else None


def _gpu_slowed(device: torch.device) -> bool | None:
    reasons = nvml.ask(device, lambda pynvml, gpu: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu))
    return None if reasons is None else bool(reasons & GPU_SLOWED)
