"""NVIDIA's management library, asked through its Python package where both are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def handle(device: torch.device) -> Any:
    """NVML's handle of a CUDA device, found by its UUID: CUDA_VISIBLE_DEVICES renumbers the devices."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")


def ask(device: torch.device, question: Callable[[Any, Any], T]) -> T | None:
    """What `question(pynvml, handle)` gives; None where the package or the library is missing, or doesn't know."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        return question(pynvml, handle(device))
    except pynvml.NVMLError:
        return None
