"""Layers given more channels, copies of those that they have, so that the model computes what it did (Net2WiderNet)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench_growth.channels import Channels, channels_of

Split = Literal["random", "even"]
SMALLEST_SHARE, LARGEST_SHARE = 0.5, 1.5
"""Of what a unit's copies weigh for a layer behind them, before the shares of all copies are made to sum up to 1."""


def wideable(model: TransferModel, trunk: bool) -> list[Channels]:
    """The channels that there can be more of; those of a residual network's trunk only where that is wanted."""
    return [
        each
        for each in channels_of(model.module)
        if not each.fixed and each.producers and each.consumers and (trunk or not each.summed)
    ]


def why_not(model: TransferModel, trunk: bool) -> str | None:
    """Why nothing of a model can be made wider, if so."""
    if wideable(model, trunk):
        return None
    found = channels_of(model.module)
    said = [f"those of {each.producers[0]} {each.fixed}" for each in found if each.producers and each.fixed]
    summed = [f"those of {each.producers[0]} are a residual trunk's (trunk=true)" for each in found if each.summed]
    why = "; ".join([*said[:2], *summed[:1]]) or "it has no two layers in a row"
    return f"it has no channels that copies can be made of: {why}"


@torch.no_grad()
def widen(model: TransferModel, factor: float, *, trunk: bool, split: Split, noise: float) -> None:
    """Multiply the channels inside of a model by a factor, rounded up, in place.

    New channel j is a copy of channel g(j), which is drawn (g is the identity for those that there are already). What a
    layer behind is given of a channel is divided among its copies, by shares that sum up to 1: all alike where `split`
    is even, else drawn for each of that layer's outputs, so that copies get different gradients. `noise`, relative to
    the deviation of a layer's weights, is added to those of the copies.
    """
    for each in wideable(model, trunk):
        extra = math.ceil(each.width * factor) - each.width
        copied = torch.cat([torch.arange(each.width, device="cpu"), torch.randint(each.width, (extra,), device="cpu")])
        for path in each.producers:
            _give_outputs(model.module.get_submodule(path), copied, each.width, noise)
        for path in each.keepers:
            _keep(model.module.get_submodule(path), copied)
        for path in each.consumers:
            _take_inputs(model.module.get_submodule(path), copied, each.width, split)


def shares(copied: torch.Tensor, width: int, outputs: int, split: Split) -> torch.Tensor:
    """By output and copy, what the copy has of its original's weight, outputs×copies; of one original they sum to 1."""
    drawn = torch.ones(outputs, len(copied), dtype=torch.float64, device="cpu")
    if split == "random":
        drawn.uniform_(SMALLEST_SHARE, LARGEST_SHARE)
    sums = torch.zeros(outputs, width, dtype=torch.float64, device="cpu").index_add_(1, copied, drawn)
    return drawn / sums[:, copied]


def _give_outputs(layer: nn.Module, copied: torch.Tensor, width: int, noise: float) -> None:
    """A convolution or linear layer: as many outputs as there are copies."""
    weight = _tensor(layer, "weight")
    grown = weight[copied]
    if noise:
        added = torch.randn(grown[width:].shape, device="cpu").to(grown)
        grown[width:] += noise * weight.std() * added
    _put(layer, "weight", grown)
    if layer.bias is not None:
        _put(layer, "bias", _tensor(layer, "bias")[copied])
    setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", len(copied))


def _keep(layer: nn.Module, copied: torch.Tensor) -> None:
    """A normalisation or depthwise convolution: copies of what it has for each channel."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(layer, name, None) is not None:
            _put(layer, name, _tensor(layer, name)[copied])
    counts = ("num_features",) if hasattr(layer, "num_features") else ("in_channels", "out_channels", "groups")
    for name in counts:
        setattr(layer, name, len(copied))


def _take_inputs(layer: nn.Module, copied: torch.Tensor, width: int, split: Split) -> None:
    """A convolution or linear layer: inputs for copies, each with its share of the original's weights."""
    weight = _tensor(layer, "weight")
    outputs = len(weight)
    by_channel = weight.reshape(outputs, width, -1)  # of a flattened map, and of a kernel, several weights a channel
    shared = by_channel[:, copied] * shares(copied, width, outputs, split).to(weight)[..., None]
    if isinstance(layer, nn.Linear):
        _put(layer, "weight", shared.flatten(1))
        layer.in_features = layer.weight.shape[1]
    elif isinstance(layer, nn.Conv2d):
        _put(layer, "weight", shared.reshape(outputs, len(copied), *weight.shape[2:]))
        layer.in_channels = len(copied)


def _tensor(layer: nn.Module, name: str) -> torch.Tensor:
    tensor = getattr(layer, name)
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach()


def _put(layer: nn.Module, name: str, values: torch.Tensor) -> None:
    """Give a parameter or buffer other values, in the memory format of those it had."""
    old = getattr(layer, name)
    last = old.ndim == 4 and not old.is_contiguous() and old.is_contiguous(memory_format=torch.channels_last)
    values = values.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    setattr(layer, name, nn.Parameter(values, old.requires_grad) if isinstance(old, nn.Parameter) else values)
