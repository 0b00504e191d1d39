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


def peak_flops(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    """Floating-point operations per second of a square matrix product, the fastest of several.

    Measured once for a machine, device, dtype, number of threads and release of torch, then kept on disk.
    """
    known = Remembered("peaks", _key(device, dtype, threads), TypeAdapter(float))
    return known.or_else(lambda: measure_peak_flops(device, dtype, threads))


def measure_peak_flops(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    """Multiply square matrices (2,048 wide on the CPU, 8,192 on an accelerator) and take the fastest product."""
    width = 2048 if device.type == "cpu" else 8192
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
        fastest, end = float("inf"), None
        while end is None or time.perf_counter() < end:
            fastest = min(fastest, _seconds(left, right))
            end = end or time.perf_counter() + SECONDS  # the first product is warm-up
    finally:
        torch.set_num_threads(before)
    return 2 * width**3 / fastest


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    wait_for(left.device)
    begun = time.perf_counter()
    torch.mm(left, right)
    wait_for(left.device)
    return time.perf_counter() - begun


def _key(device: torch.device, dtype: torch.dtype, threads: int) -> str:
    cores = os.cpu_count()
    tf32 = torch.backends.cuda.matmul.allow_tf32
    name = device_name(device)
    return f"{name}, {cores} cores, {device.type}, {dtype}, tf32 {tf32}, {threads} threads, torch {torch.__version__}"
