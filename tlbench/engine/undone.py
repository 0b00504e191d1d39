"""A model used in passing, and left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from tlbench.engine.seeds import chance_restored


@contextlib.contextmanager
def modes_restored(module: nn.Module) -> Iterator[None]:
    """Put the train and eval modes of all its parts back, whatever happens in this block."""
    modes = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


@contextlib.contextmanager
def passes_undone(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Put back what forward and backward passes change: buffers, gradients, the state of chance."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with chance_restored(device):
        try:
            yield
        finally:
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
            for parameter in module.parameters():
                parameter.grad = None
