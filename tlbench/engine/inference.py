"""How fast a finished model predicts: one image at a time, and in the batches that it likes best."""

from __future__ import annotations

import time

import torch
from torch import nn

from tlbench.engine.precision import autocast
from tlbench.measure.timing import wait_for
from tlbench.plan.cell import Protocol
from tlbench.results.costs import InferenceRecord

BATCHES = (1, 8, 32, 128)
"""The batch sizes that are tried, in this order."""
LEAST_GAIN = 1.05
"""Larger batches are tried as long as each step up gives so many times the images per second."""
LEAST_SECONDS, LEAST_REPEATS, MOST_SECONDS = 0.1, 3, 4.0
"""Each size is repeated until both are reached; larger sizes are left out that would take longer than the last."""


@torch.inference_mode()
def inference(module: nn.Module, images: torch.Tensor, protocol: Protocol) -> list[InferenceRecord]:
    """Images per second of a model in eval mode at each batch size tried, from copies of some images on its device.

    The model runs as training left it, uncompiled and not folded; the median of the repeats counts, after one of
    warm-up.
    """
    module.eval()
    found: list[InferenceRecord] = []
    for size in BATCHES:
        batch = images[torch.arange(size, device=images.device) % len(images)]
        seconds = _median_seconds(module, batch, protocol)
        found.append(InferenceRecord(batch_size=size, images_per_second=size / seconds, batch_ms=1e3 * seconds))
        too_long = LEAST_REPEATS * 4 * seconds > MOST_SECONDS
        if too_long or (len(found) > 1 and found[-1].images_per_second < LEAST_GAIN * found[-2].images_per_second):
            break
    return found


def _median_seconds(module: nn.Module, batch: torch.Tensor, protocol: Protocol) -> float:
    device, begun = batch.device, time.perf_counter()
    times: list[float] = []
    while len(times) <= LEAST_REPEATS or time.perf_counter() - begun < LEAST_SECONDS:
        wait_for(device)
        started = time.perf_counter()
        with autocast(device, protocol.precision):
            module(batch)
        wait_for(device)
        times.append(time.perf_counter() - started)
    steady = sorted(times[1:])
    return steady[len(steady) // 2]
