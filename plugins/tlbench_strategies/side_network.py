"""A model whose head is given a mixture of its body's features and those of a small network beside it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part

BODY, SIDE, HEAD = "body", "side", "head"


class SideTuned(nn.Module):
    """`head(alpha · body(images) + (1 - alpha) · side(images))`; alpha is the sigmoid of `mix`."""

    def __init__(self, body: nn.Module, side: nn.Module, head: nn.Module, alpha: float) -> None:
        super().__init__()
        self.body = body
        self.side = side
        self.head = head
        device = next(head.parameters()).device
        self.mix = nn.Parameter(torch.tensor(math.log(alpha / (1 - alpha)), device=device))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        alpha = torch.sigmoid(self.mix)
        output: torch.Tensor = self.head(alpha * self.body(images) + (1 - alpha) * self.side(images))
        return output


def side_network(width: int, features: int) -> nn.Sequential:
    """Four 3×3 convolutions of stride 2, BatchNorm and ReLU after each, the mean over places, a linear layer of 0."""
    channels = (3, width, 2 * width, 4 * width, 8 * width)
    convolutions = [
        layer
        for before, after in pairwise(channels)
        for layer in (
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )
    ]
    last = nn.Linear(channels[-1], features)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


def add_side_network(model: TransferModel, width: int, alpha: float) -> None:
    """Put a side network beside a model's body, whose head is one linear layer."""
    (path,) = model.head_paths
    head = model.module.get_submodule(path)
    assert isinstance(head, nn.Linear)
    side = side_network(width, head.in_features).to(head.weight.device)
    model.replace_head(nn.Identity())
    model.wrap(SideTuned(model.module, side, head, alpha), BODY, (HEAD,))


def side_part(model: TransferModel) -> Part:
    """The side network and the number that mixes."""
    return model.below((SIDE,)) | Part(frozenset(), frozenset({"mix"}))
