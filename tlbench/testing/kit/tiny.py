"""The models and the images that strategies are tried on: real ones, so small that a run takes less than a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from tlbench.contracts.backbone import Backbone, Preprocessing, Weights
from tlbench.contracts.dataset import Dataset, Split

SIZE = 16
"""Pixels of an image's side."""
SOURCE_CLASSES = 5
"""What the tiny models were "trained" on before."""
PLAIN = Preprocessing((0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear", SIZE)
NUMBERS = {"train": 36, "val": 12, "test": 12}
CLASSES = ("red", "green", "blue")
Make = Callable[[int], nn.Module]
"""Makes a module for a number of classes."""


class TinyCNN(nn.Module):
    """A stem and two residual blocks with BatchNorm, 8 channels wide; a linear head.

    Input N×3×S×S, output N×num_classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(Residual(8), Residual(8))
        self.fc = nn.Linear(8, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        logits: torch.Tensor = self.fc(self.blocks(self.stem(images)).mean((2, 3)))
        return logits


class Residual(nn.Module):
    """Two 3×3 convolutions with BatchNorm, and what they are given added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        inner: torch.Tensor = self.norm1(self.conv1(given)).relu()
        return torch.relu(given + self.norm2(self.conv2(inner)))


def tiny_cnn() -> Backbone:
    """A small residual network, whose published weights are those of a seed."""
    return _tiny(TinyCNN, "fc")


def tiny_transformer() -> Backbone:
    """torchvision's vision transformer with two blocks of 16 channels, whose published weights are those of a seed."""
    return _tiny(_transformer, "heads")


def _transformer(num_classes: int) -> nn.Module:
    from torchvision.models import VisionTransformer

    module: nn.Module = VisionTransformer(SIZE, 4, 2, 2, 16, 32, num_classes=num_classes)
    return module


def _tiny(make: Make, head: str) -> Backbone:
    weights = Weights("tiny", lambda: None, places=(__file__,))
    return Backbone(partial(_build, make), head, PLAIN, weights, published=partial(_published, make))


def _build(make: Make, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """A module with random weights, or with those of a seed and a new head."""
    module = make(num_classes)
    if pretrained:
        source = _published(make, image_size).state_dict()
        own = module.state_dict()
        module.load_state_dict({name: each for name, each in source.items() if each.shape == own[name].shape}, False)
    return module


def _published(make: Make, _image_size: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(SOURCE_CLASSES)


def tiny_images(task: str = "single-label", number: int = 1) -> Dataset:
    """Coloured noise, 16×16×3, whose colours tell the classes, the labels or the targets of a built-in task.

    Raises KeyError for another task.
    """
    names = {"single-label": CLASSES, "multi-label": CLASSES, "regression": ("red", "green")}[task]
    splits = {name: _split(task, size, number * 10 + place) for place, (name, size) in enumerate(NUMBERS.items())}
    return Dataset(
        names,
        splits["train"],
        SIZE,
        splits["val"],
        splits["test"],
        "made",
        "CC0-1.0",
        f"tiny {task} {number}",
        task=task,
    )


def _split(task: str, number: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    shares = random.random((number, 3), dtype=np.float32)
    labels: np.ndarray
    if task == "single-label":
        labels = np.arange(number) % 3
        shares = 0.2 * shares + 0.8 * np.eye(3, dtype=np.float32)[labels]
    elif task == "multi-label":
        labels = (shares > 0.5).astype(np.int64)
    else:
        labels = shares[:, :2]
    noise = random.random((number, SIZE, SIZE, 3), dtype=np.float32)
    pixels = (255 * (0.5 * noise + 0.5 * shares[:, None, None])).astype(np.uint8)
    return Split(labels, lambda place: pixels[place])
