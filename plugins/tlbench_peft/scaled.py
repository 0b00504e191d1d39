"""Layers whose output is scaled and shifted channel by channel."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench_peft.layers import called_layers

NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


class Scaled(nn.Module):
    """`scale · layer(x) + shift`, for each channel: the second dimension of maps, the last one of all else."""

    def __init__(self, layer: nn.Module, channels: int) -> None:
        super().__init__()
        self.layer = layer
        weight = next(layer.parameters())
        self.scale = nn.Parameter(torch.ones(channels, device=weight.device))
        self.shift = nn.Parameter(torch.zeros(channels, device=weight.device))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The layer's output, scaled and shifted."""
        output = self.layer(inputs)
        maps = isinstance(self.layer, nn.Conv2d | nn.BatchNorm2d | nn.GroupNorm)
        shape = (-1, 1, 1) if maps else (-1,)
        scaled: torch.Tensor = output * self.scale.view(shape) + self.shift.view(shape)
        return scaled

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The layer with scale and shift in its own weight and bias."""
        layer = self.layer
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, nn.Parameter)
        if bias is None:
            layer.register_parameter("bias", nn.Parameter(torch.zeros_like(self.shift)))
        assert isinstance(layer.bias, nn.Parameter)
        weight.mul_(self.scale.view(-1, *[1] * (weight.ndim - 1)))
        layer.bias.mul_(self.scale).add_(self.shift)
        return layer


def channels_of(layer: nn.Module) -> int | None:
    """How many channels a layer gives that can be scaled and shifted; None of any other."""
    if type(layer) is nn.Linear:
        return layer.out_features
    if type(layer) is nn.Conv2d:
        return layer.out_channels
    if type(layer) in NORMS and isinstance(getattr(layer, "weight", None), nn.Parameter):
        weight = layer.weight
        return weight.numel() if isinstance(weight, nn.Parameter) and weight.ndim == 1 else None
    return None


def add_biases(model: TransferModel, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give each layer without a bias one, where saved tensors have it."""
    for path, layer in model.module.named_modules():
        if (shape := shapes.get(f"{path}.bias")) is not None and getattr(layer, "bias", 0) is None:
            weight = next(layer.parameters())
            layer.register_parameter("bias", nn.Parameter(torch.zeros(shape, device=weight.device)))


def wrap(model: TransferModel) -> None:
    """Scale and shift after each layer of the body."""
    for path, layer in called_layers(model):
        if (channels := channels_of(layer)) is not None:
            model.module.set_submodule(path, Scaled(layer, channels))


def scaled_part(model: TransferModel) -> Part:
    """All scales and shifts."""
    paths = [path for path, each in model.module.named_modules() if isinstance(each, Scaled)]
    return Part(frozenset(paths))


def merge(model: TransferModel) -> None:
    """Put scales and shifts into the layers, and the layers back into their places."""
    for path, layer in list(model.module.named_modules()):
        if isinstance(layer, Scaled):
            model.module.set_submodule(path, layer.merged())
