"""How fast this machine multiplies matrices: what the achieved FLOP/s of a training step are measured against."""

from __future__ import annotations

import os
import time

import torch
from pydantic import TypeAdapter

from tlbench.cache import Remembered
from tlbench.measure.environment import device_name
from tlbench.measure.timing import wait_for

SECONDS = 0.4
"""How long the products are repeated; the fastest counts."""
LONGEST_SECONDS = 2.0
"""What a product may be expected to take."""


def peak_flops(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    """Floating-point operations per second of a square matrix product, the fastest of several.

    Measured once for a machine, device, dtype, number of threads and release of torch, then kept on disk.
    """
    known = Remembered("peaks", _key(device, dtype, threads), TypeAdapter(float))
    return known.or_else(lambda: measure_peak_flops(device, dtype, threads))


def measure_peak_flops(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    """Multiply square matrices and take the fastest product.

    They are 2,048 wide on the CPU, 8,192 on an accelerator, or as wide as a product takes `LONGEST_SECONDS`: where a
    CPU has no instructions for a dtype (fp16), one of 2,048 takes most of a minute.
    """
    widest = 2048 if device.type == "cpu" else 8192
    before, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32_allowed()
    try:
        width, (left, right) = 256, _matrices(256, device, dtype)
        _seconds(left, right)  # warm-up
        fastest = _seconds(left, right)
        while width < widest and 8 * fastest < LONGEST_SECONDS:
            width *= 2
            left, right = _matrices(width, device, dtype)
            fastest = _seconds(left, right)
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            fastest = min(fastest, _seconds(left, right))
    finally:
        torch.set_num_threads(before)
        torch.backends.cuda.matmul.allow_tf32 = tf32
    return 2 * width**3 / fastest


def tf32_allowed() -> bool:
    """Whether any product of a training may be in TF32: by default convolutions may, and matrix products may not.

    A step of convolutions would otherwise be held against a peak below what it may reach.
    """
    return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32


def _matrices(width: int, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
    return left, right


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    wait_for(left.device)
    begun = time.perf_counter()
    torch.mm(left, right)
    wait_for(left.device)
    return time.perf_counter() - begun


def _key(device: torch.device, dtype: torch.dtype, threads: int) -> str:
    cores = os.cpu_count()
    name, tf32 = device_name(device), tf32_allowed()
    return f"{name}, {cores} cores, {device.type}, {dtype}, tf32 {tf32}, {threads} threads, torch {torch.__version__}"
