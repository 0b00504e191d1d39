"""Where arrays that a step reads from lie: on the device, if they fit."""

from __future__ import annotations

import torch

SHARE = 0.25
"""Of the device's free memory: what an array may take, the rest is for the model's training."""


def resident(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The array on a CUDA device where it fits, else where it is (memory-mapped): batches are moved one by one then."""
    if device.type == "cuda" and values.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return values.to(device)
    return values


def take(values: torch.Tensor, chosen: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Rows of such an array, on the device."""
    return values[chosen.to(values.device)].to(device)
