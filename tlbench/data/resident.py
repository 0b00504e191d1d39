"""Where arrays that a step reads from lie: on the device, if they fit, else in a file that is mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import torch

SHARE = 0.25
"""Of the device's free memory: what an array may take, the rest is for the model's training."""
MEMORY_SHARE = 0.3
"""Of the memory that is available: a memory-mapped array up to this is expected to stay in it."""


def stays_in_memory(size_bytes: int) -> bool:
    """Whether a memory-mapped array of a size is expected to be read from the disk once only."""
    return bool(size_bytes <= MEMORY_SHARE * psutil.virtual_memory().available)


def open_array(file: Path) -> torch.Tensor:
    """An array in a file, memory-mapped."""
    # mode "c" (copy on write): torch wants a writable array and the file must not change
    return torch.from_numpy(np.load(file, mmap_mode="c"))


def resident(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The array on a CUDA device where it fits, else where it is (memory-mapped): batches are moved one by one then."""
    if device.type == "cuda" and values.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return values.to(device)
    return values


def placed(order: Sequence[torch.Tensor], device: torch.device) -> Sequence[torch.Tensor]:
    """The places of all batches of an order on a device, moved at once: a move of its own waits for the device."""
    if device.type == "cpu" or not order:
        return order
    sizes = [len(each) for each in order]
    return torch.cat(list(order)).to(device).split(sizes)  # type: ignore[no-untyped-call, no-any-return]


def take(values: torch.Tensor, chosen: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Rows of such an array, on the device."""
    return values[chosen.to(values.device)].to(device)
