"""A backbone for images that are normalised as another one wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone, Block, Preprocessing
from tlbench.contracts.blocks import blocks_of

INNER = "model"


class Renormalised(nn.Module):
    """A model behind the map from one normalisation to its own."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, model: nn.Module, given: Preprocessing, wanted: Preprocessing) -> None:
        super().__init__()
        self.model = model
        mean, std, own_mean, own_std = (
            torch.tensor(each).view(-1, 1, 1) for each in (given.mean, given.std, wanted.mean, wanted.std)
        )
        self.register_buffer("scale", std / own_std, persistent=False)
        self.register_buffer("shift", (mean - own_mean) / own_std, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The model's output for images that were normalised in the other way."""
        output: torch.Tensor = self.model(images * self.scale + self.shift)
        return output


def inner(module: nn.Module) -> nn.Module:
    """The model itself, where it is behind another normalisation."""
    return module.model if isinstance(module, Renormalised) else module


def renormalising(backbone: Backbone, given: Preprocessing) -> Backbone:
    """The same backbone, fed with images that were normalised as `given`."""

    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        module = backbone.build(num_classes, image_size=image_size, pretrained=pretrained)
        return Renormalised(module, given, backbone.preprocessing)

    def blocks(module: nn.Module) -> Sequence[Block]:
        return [block.inside(INNER) for block in blocks_of(module.get_submodule(INNER), backbone)]

    def no_decay(module: nn.Module) -> Collection[str]:
        names = backbone.no_decay(module.get_submodule(INNER)) if backbone.no_decay else ()
        return [f"{INNER}.{name}" for name in names]

    head = tuple(f"{INNER}.{path}" for path in backbone.head_paths)
    return dataclasses.replace(
        backbone, build=build, head=head, blocks=blocks, no_decay=no_decay, preprocessing=given, published=None
    )
