"""A device made ready: what it loads once in a process is loaded before anything is timed."""

from __future__ import annotations

import torch
from torch import nn

from tlbench.data.batches import Images
from tlbench.engine.feed import first_batch
from tlbench.engine.precision import autocast
from tlbench.engine.seeds import chance_restored
from tlbench.engine.undone import attributes_restored, modes_restored
from tlbench.measure.timing import wait_for
from tlbench.plan.cell import Protocol


def warm_up(module: nn.Module, images: Images, protocol: Protocol, device: torch.device) -> None:
    """Let the model predict a batch, and forget it.

    On a GPU the first pass of a process loads cuDNN, cuBLAS and hundreds of kernels, in seconds. They would be counted
    for whatever comes first: for features where a part is frozen, and nowhere in a strategy that trains all.
    """
    batch = first_batch(images.plain(), protocol.batch_size)
    with modes_restored(module), attributes_restored(module), chance_restored(device):
        module.eval()
        with torch.inference_mode(), autocast(device, protocol.precision):
            module(batch.images)
        wait_for(device)
