"""The device of a trial's process: one GPU of several is made the current one."""

from __future__ import annotations

import torch


def take_device(name: str, gpu: int | None = None) -> torch.device:
    """The device of a name, made current; `cuda` alone is the GPU of that number, or the first.

    Events, streams and the allocator's figures are those of the current device, whatever a tensor's is.
    """
    device = torch.device(name)
    if device.type != "cuda":
        return device
    device = torch.device("cuda", (gpu or 0) if device.index is None else device.index)
    torch.cuda.set_device(device)
    return device
