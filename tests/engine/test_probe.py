"""The step that is counted outside the clock: its figures, and that it leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import make_backbone, make_images, make_setting
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import Images
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase
from tlbench.engine.probe import probe_step
from tlbench.errors import PhaseError
from tlbench.measure.meters import StepProbe

BODY, HEAD = 2 * (8 * 8) * 3 * 4 * 9, 2 * 4 * 3
"""FLOPs of a forward pass for an image: a padded 3×3 convolution to 4 channels on 8×8, and a head of 3 classes."""


class Net(nn.Module):
    """A convolution, BatchNorm, dropout, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.drop(self.norm(self.conv(images)).relu().mean((2, 3)))
        logits: torch.Tensor = self.fc(features)
        return logits


@pytest.fixture
def model() -> TransferModel:
    torch.manual_seed(0)
    return TransferModel(Net(), make_backbone("fc"))


def probe(model: TransferModel, phase: Train, images: Images) -> StepProbe:
    prepare_phase(model, phase)
    return probe_step(model, phase, Feed(images, model.module), images.batch(torch.arange(6)), make_setting())


def test_frozen_parts_are_not_in_the_backward_pass(model: TransferModel, tmp_path: Path) -> None:
    images = make_images(tmp_path, 6)
    frozen = probe(model, Train(model.head), images)
    assert frozen.forward_flops_per_image == BODY + HEAD
    assert frozen.train_flops_per_image == BODY + HEAD + HEAD
    assert frozen.gradient_bytes == 4 * (4 * 3 + 3)
    full = probe(model, Train(model.everything), images)
    assert full.forward_flops_per_image == BODY + HEAD
    assert full.train_flops_per_image == 2 * BODY + 3 * HEAD  # nobody wants the images' own gradient
    assert full.gradient_bytes == 4 * sum(parameter.numel() for parameter in model.module.parameters())
    assert full.activation_bytes > frozen.activation_bytes


def test_the_model_and_chance_are_as_before(model: TransferModel, tmp_path: Path) -> None:
    images = make_images(tmp_path, 6)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    probe(model, Train(model.everything), images)
    assert torch.equal(torch.rand(3), expected)
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_a_phase_that_trains_nothing_is_an_error(model: TransferModel, tmp_path: Path) -> None:
    images = make_images(tmp_path, 6)
    with pytest.raises(PhaseError, match="without parameters"):
        probe(model, Train(model.head - model.head), images)
