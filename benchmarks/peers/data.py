"""The peers' common ground: Fashion-MNIST pictures as PNG files, a folder a class, and lite0's weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import timm
import torch
from torch import nn

from tlbench.contracts import Split
from tlbench_packaged.efficientnet_lite import imagenet_state
from tlbench_torchvision.catalogue import TorchvisionOptions, load

PICTURES = {"train": 2000, "val": 200, "test": 1000}
SIZE, BATCH = 96, 32


def write_pictures(folder: Path) -> None:
    """`folder`/train, val and test/<class>/*.png, evenly chosen; val (which tlbench looks at) is not of train."""
    dataset = load("fashion-mnist", TorchvisionOptions())
    assert dataset.test is not None
    places = np.linspace(0, len(dataset.train) - 1, PICTURES["train"] + PICTURES["val"]).astype(int)
    is_val = np.zeros(len(places), bool)
    is_val[:: len(places) // PICTURES["val"]] = True
    test = np.linspace(0, len(dataset.test) - 1, PICTURES["test"]).astype(int)
    _write(dataset.train, places[~is_val], folder / "train")
    _write(dataset.train, places[is_val], folder / "val")
    _write(dataset.test, test, folder / "test")


def _write(split: Split, places: np.ndarray, folder: Path) -> None:
    for place in places:
        target = folder / str(split.labels[place])
        target.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.asarray(split.image(int(place)))).save(target / f"{place}.png")


def lite0(classes: int = 10) -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights and a new head."""
    model: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=classes)
    state = imagenet_state(0, model)
    body = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    model.load_state_dict(body, strict=False)
    nn.init.kaiming_uniform_(model.get_parameter("classifier.weight"), a=5**0.5)
    return model


if __name__ == "__main__":
    torch.manual_seed(0)
    write_pictures(Path(sys.argv[1]))
