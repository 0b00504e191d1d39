"""How far a body went, against NumPy; and that remembering where it began takes no memory."""

from __future__ import annotations

import gc

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.distance import Start, distance
from tlbench_packaged.small_cnn import small_cnn


@pytest.fixture
def model() -> TransferModel:
    torch.manual_seed(0)
    backbone = small_cnn()
    return TransferModel(backbone.build(3, image_size=8, pretrained=False), backbone)


def test_it_is_the_euclidean_norm_of_the_difference(model: TransferModel) -> None:
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = Start(model.parameters(model.body))
    before = {name: each.detach().numpy().copy() for name, each in model.parameters(model.body)}
    with torch.no_grad():
        for each in model.module.parameters():
            each.add_(torch.randn_like(each))
    found = distance(model, start)
    moved = np.sqrt(
        sum(((each.detach().numpy() - before[name]) ** 2).sum() for name, each in model.parameters(model.body))
    )
    length = np.sqrt(sum((each**2).sum() for each in before.values()))
    assert found.l2 == pytest.approx(moved)
    assert found.relative == pytest.approx(moved / length)


def test_tensors_come_back_as_they_were() -> None:
    tensors = {
        "a number": torch.tensor(1.5),
        "half": torch.randn(3, 2).bfloat16(),
        "empty": torch.empty(0, 4),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    start = Start(tensors.items())
    for name, each in tensors.items():
        found = start.tensor(name, each.shape)
        assert found is not None and found.dtype == each.dtype
        torch.testing.assert_close(found, each, rtol=0, atol=0)
    assert start.tensor("a number", torch.Size([1])) is None
    assert start.tensor("unknown", torch.Size([])) is None


def test_it_takes_no_memory() -> None:
    layer = nn.Linear(4096, 4096)
    gc.collect()
    before = psutil.Process().memory_info().rss
    start = Start(layer.named_parameters())
    assert psutil.Process().memory_info().rss - before < 16 * 2**20 < 4096 * 4096 * 4
    assert start.tensor("weight", layer.weight.shape) is not None
