"""The number format that a model computes in, and the order of its images in memory."""

from __future__ import annotations

import contextlib

import torch

from tlbench.plan.choices import MemoryFormat, Precision

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}


def autocast(device: torch.device, wanted: Precision) -> contextlib.AbstractContextManager[object]:
    """Autocast where the protocol asks for less than fp32."""
    return contextlib.nullcontext() if wanted == "fp32" else torch.autocast(device.type, DTYPES[wanted])


def gradient_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Keeps fp16's gradients from vanishing by scaling the loss (Micikevicius et al. 2018); idle in other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
