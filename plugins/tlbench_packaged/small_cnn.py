"""The small network that CIFAR-10 tutorials train from scratch."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from tlbench.contracts import Backbone, Preprocessing


class SmallCNN(nn.Module):
    """Three 3×3 convolutions (64, 64 and 128 channels), each with ReLU and 2×2 max pooling; 512 units; classes.

    Input N×C×S×S, S ≥ 8; output N×num_classes. The 512 units see the whole last feature map, so the number of
    parameters depends on the image size.
    """

    def __init__(self, num_classes: int, image_size: int, channels: int = 3) -> None:
        super().__init__()
        if image_size < 8:
            raise ValueError(f"small_cnn needs images of at least 8 pixels, not {image_size}")
        self.block1 = self._block(channels, 64)
        self.block2 = self._block(64, 64)
        self.block3 = self._block(64, 128)
        side = image_size // 8
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(128 * side * side, 512), nn.ReLU())
        self.classifier = nn.Linear(512, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        features = self.hidden(self.block3(self.block2(self.block1(images))))
        return cast(torch.Tensor, self.classifier(features))

    @staticmethod
    def _block(channels_in: int, channels_out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


def build(num_classes: int, *, image_size: int, pretrained: bool, channels: int = 3) -> nn.Module:
    """The network with PyTorch's default initialisation; nobody publishes weights of it."""
    if pretrained:
        raise ValueError("small_cnn has no published weights")
    return SmallCNN(num_classes, image_size, channels)


def small_cnn() -> Backbone:
    """The backbone: no published weights, inputs scaled to [-1, 1]."""
    half = (0.5, 0.5, 0.5)
    return Backbone(
        build,
        head="classifier",
        preprocessing=Preprocessing(half, half),
        blocks=lambda _model: ("block1", "block2", "block3", "hidden"),
        licence="Apache-2.0",
        any_channels=True,
    )
