"""What the harness's training step costs over the same steps in a bare loop: at most 2 %."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from builders import make_setting
from conftest import Paired
from torch import nn
from torchvision.models import resnet50

from tlbench.contracts import Backbone, Preprocessing
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import Images
from tlbench.data.pixels import ArrayPixels
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.plan import Protocol

CPU = torch.device("cpu")
IMAGES, BATCH, SIZE, CLASSES = 256, 32, 96, 10

MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lite0": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES), "classifier"),
    "resnet50": (lambda: resnet50(num_classes=CLASSES), "fc"),
}


def bare(module: nn.Module, pixels: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """An epoch as a person writes it who knows the machine: uint8 in memory, channels_last, clipping, fused AdamW."""
    mean, scale = 127.5, 1 / 127.5

    def epoch() -> None:
        module.train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
        for chosen in torch.randperm(IMAGES).split(BATCH):
            images = (pixels[chosen].permute(0, 3, 1, 2).float() - mean) * scale
            optimizer.zero_grad()
            F.cross_entropy(module(images), labels[chosen]).backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()

    return epoch


@pytest.mark.parametrize("name", MODELS)
def test_harness_against_bare_loop(paired: Paired, tmp_path: Path, name: str) -> None:
    make, head = MODELS[name]
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, IMAGES)
    np.save(tmp_path / "images.npy", pixels)
    half = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    source = ArrayPixels(tmp_path / "images.npy", CPU)
    images = Images(source, torch.from_numpy(labels), torch.arange(IMAGES), half, CPU)
    ours, theirs = (make().to(memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    model = TransferModel(ours, Backbone(build=lambda *_, **__: ours, head=head))
    protocol = Protocol(epochs=1, batch_size=BATCH, image_size=SIZE, train_size=None, test_size=None, precision="fp32")
    setting = make_setting(protocol, classes=CLASSES, learning_rate=1e-3, order=torch.Generator().manual_seed(0))
    phase = Train(model.everything)
    prepare_phase(model, phase)
    ratio = paired(
        lambda: train(model, phase, 0, setting, Feed(images, ours)),
        bare(theirs, torch.from_numpy(pixels), torch.from_numpy(labels)),
        40 if name == "lite0" else 12,
    )
    assert ratio <= 1.02
