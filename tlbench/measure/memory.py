"""The most memory that a trial held, and what it was made of."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import torch
from torch import nn


class PeakMemory:
    """Watches one trial from its start: the allocator's peaks on CUDA, else the process's resident growth.

    On the CPU the figure is the highest resident size since the start less the resident size at the start, so
    the interpreter and the imported libraries are not in it; data, parameters, gradients, optimizer state and
    activations are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._at_start = 0 if device.type == "cuda" else _resident_bytes()
        self._highest = self._highest_reserved = 0
        self._reset()

    def peak_bytes(self) -> int:
        """The peak until now: allocated by tensors on CUDA, resident growth elsewhere."""
        return max(0, self._highest, self._now_highest() - self._at_start)

    def peak_reserved_bytes(self) -> int | None:
        """What CUDA's caching allocator took from the device at most; None elsewhere."""
        if self._device.type != "cuda":
            return None
        return max(self._highest_reserved, torch.cuda.max_memory_reserved(self._device))

    @contextlib.contextmanager
    def section(self) -> Iterator[Callable[[], int]]:
        """Watch a block by itself, and give what tells its peak until now; the trial's peak goes on counting."""
        self._keep()
        self._reset()
        yield lambda: max(0, self._now_highest() - self._at_start)
        self._keep()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """A block that the trial alone would not have gone through; its peak is not the trial's."""
        self._keep()
        yield
        if self._device.type == "cuda":
            torch.cuda.empty_cache()  # what the allocator took for the block, it would go on holding
        self._reset()

    def as_if_taken(self, peak_bytes: int) -> None:
        """Count a block that another trial has gone through for this one: the peak that it had there."""
        self._highest = max(self.peak_bytes(), peak_bytes)

    def _keep(self) -> None:
        self._highest, self._highest_reserved = self.peak_bytes(), self.peak_reserved_bytes() or 0

    def _reset(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with contextlib.suppress(OSError):  # Linux: forget the peak until now
                Path("/proc/self/clear_refs").write_text("5")

    def _now_highest(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _peak_resident_bytes()


def tensor_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the elements of tensors, one that occurs twice counted once."""
    return sum({id(tensor): tensor.numel() * tensor.element_size() for tensor in tensors}.values())


def gradient_bytes(module: nn.Module) -> int:
    """Bytes of the gradients that the parameters hold now."""
    return tensor_bytes(parameter.grad for parameter in module.parameters() if parameter.grad is not None)


def optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the tensors in an optimizer's state."""
    values = (value for state in optimizer.state.values() for value in state.values())
    return tensor_bytes(value for value in values if isinstance(value, torch.Tensor))


class SavedForBackward:
    """Counts what autograd keeps for the backward pass: each storage once, parameters and buffers left out.

    Nothing is held that autograd would not hold anyway, so that counting doesn't raise the peak.
    """

    def __init__(self, module: nn.Module) -> None:
        self._own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
        self._bytes: dict[int, int] = {}

    @property
    def bytes(self) -> int:
        """Bytes of the storages kept."""
        return sum(self._bytes.values())

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is saved in this block; its graph must not be freed before the block ends."""

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            if _storage(tensor) not in self._own:
                self._bytes[_storage(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            yield


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _peak_resident_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
