"""The number format that a model computes in."""

from __future__ import annotations

import contextlib

import torch

from tlbench.plan import Precision


def autocast(device: torch.device, wanted: Precision) -> contextlib.AbstractContextManager[object]:
    """Autocast to bf16 where the protocol asks for it."""
    return torch.autocast(device.type, torch.bfloat16) if wanted == "bf16" else contextlib.nullcontext()
