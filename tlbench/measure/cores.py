"""The processor of this machine: its name, its cores, and how busy they are."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def threads_each(trials_at_once: int) -> int | None:
    """The threads of each of so many trials; None, torch's own choice, for one alone."""
    return None if trials_at_once == 1 else max(1, usable_cores() // trials_at_once)


def usable_cores() -> int:
    """The logical cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_per_core() -> float:
    """The system's load over the last minute for each core that may be used; 0 where the system has no such figure."""
    return os.getloadavg()[0] / usable_cores() if hasattr(os, "getloadavg") else 0.0


def cpu_model() -> str:
    """The CPU's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
