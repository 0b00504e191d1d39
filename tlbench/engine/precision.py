"""The number format that a model computes in."""

from __future__ import annotations

import contextlib

import torch

from tlbench.plan import Precision


def computed_dtype(precision: Precision) -> torch.dtype:
    """What the products are computed in."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def autocast(device: torch.device, wanted: Precision) -> contextlib.AbstractContextManager[object]:
    """Autocast to bf16 where the protocol asks for it."""
    return torch.autocast(device.type, torch.bfloat16) if wanted == "bf16" else contextlib.nullcontext()
