"""The most memory that a trial held."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import psutil
import torch


class PeakMemory:
    """Watches one trial from its start: the allocator's peak on CUDA, else the process's resident growth.

    On the CPU the figure is the highest resident size since the start less the resident size at the start, so
    the interpreter and the imported libraries are not in it; data, parameters, gradients, optimizer state and
    activations are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(OSError):  # Linux: forget the peak of the start-up
                Path("/proc/self/clear_refs").write_text("5")
            self._at_start: int = psutil.Process().memory_info().rss

    def peak_bytes(self) -> int:
        """The peak until now."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return max(0, _peak_resident_bytes() - self._at_start)


def _peak_resident_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
