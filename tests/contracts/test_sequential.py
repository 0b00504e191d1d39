"""What a strategy attaches to a Sequential stays outside of its forward pass."""

from __future__ import annotations

import copy

import pytest
import torch
from builders import make_backbone
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import cut


class Named(nn.Sequential):
    """A network of a stranger that is a Sequential without a forward pass of its own."""


class Its(nn.Sequential):
    """One with a forward pass of its own."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(images)


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)]


@pytest.mark.parametrize("build", [nn.Sequential, Named])
def test_an_attached_module_is_trained_and_not_run(build: type[nn.Sequential]) -> None:
    images = torch.randn(2, 4)
    expected = build(*layers())(images)
    model = TransferModel(build(*layers()), make_backbone("2"))
    model.module.add_module("old_head", nn.Linear(5, 7))
    assert torch.equal(model.module(images), expected)
    assert torch.equal(copy.deepcopy(model.module)(images), expected)
    assert "old_head.weight" in {name for name, _ in model.parameters(model.everything)}
    model.module.set_submodule("2", nn.Identity())
    assert model.module(images).shape == (2, 5)
    assert isinstance(model.module, build) and type(model.module).__qualname__ == build.__qualname__


def test_an_attached_module_is_not_in_the_cut_model() -> None:
    images = torch.randn(6, 4)
    model = TransferModel(nn.Sequential(*layers()), make_backbone("2"))
    model.module.add_module("regressor", nn.Linear(5, 9))
    model.train_only(model.head | model.below(("regressor",)))
    pieces = cut(model.module, images, after=model.head_paths)
    torch.testing.assert_close(pieces.suffix(pieces.prefix(images)), model.module(images))


def test_another_forward_pass_is_left_as_it_is() -> None:
    model = TransferModel(Its(*layers()), make_backbone("2"))
    assert type(model.module) is Its
