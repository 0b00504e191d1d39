"""A model used in passing, and left as it was."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
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
def attributes_restored(module: nn.Module) -> Iterator[None]:
    """Put back what a forward pass assigns on modules or keeps in their dictionaries and lists (LeViT's biases, say).

    Tracing would leave proxies there, which a second trace or an ordinary pass would then take for values.
    """
    kept = [(part, vars(part).copy()) for part in module.modules()]
    contents = [
        (value, value.copy()) for _, values in kept for value in values.values() if isinstance(value, dict | list | set)
    ]
    try:
        yield
    finally:
        for container, content in contents:
            container.clear()
            if isinstance(container, list):
                container.extend(content)
            else:
                container.update(content)
        for part, values in kept:
            vars(part).clear()
            vars(part).update(values)


@contextlib.contextmanager
def logs_undone(model: TransferModel) -> Iterator[None]:
    """Forget what is logged in this block: it is no part of the training."""
    curves = copy.deepcopy(model.curves)
    try:
        yield
    finally:
        model.curves.clear()
        model.curves.update(curves)


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
