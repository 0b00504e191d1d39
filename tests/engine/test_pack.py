"""Convolutions laid out once, with their activation in the same pass: the same function with fewer operations."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import cut
from tlbench.engine.fuse import fused
from tlbench.engine.pack import Packed, packed
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins


def called(module: fx.GraphModule, kind: type[nn.Module]) -> int:
    """How many times a traced module calls modules of a kind."""
    return sum(
        isinstance(module.get_submodule(str(each.target)), kind)
        for each in module.graph.nodes
        if each.op == "call_module"
    )


@pytest.mark.parametrize(
    ("name", "convolutions", "activation", "left"),
    [
        ("packaged/efficientnet_lite0", 44, nn.ReLU6, 5),  # strided ones pad by themselves, as TensorFlow does
        ("torchvision/resnet18", 20, nn.ReLU, 8),  # a block's second comes after the sum
        ("timm/resnet18", 20, nn.ReLU, 8),
        ("torchvision/vgg11", 8, nn.ReLU, 2),  # behind linear layers
        ("torchvision/mobilenet_v3_small", 52, nn.Hardswish, 1),  # behind a linear layer
    ],
)
def test_convolutions_and_what_follows_are_one_pass(
    name: str, convolutions: int, activation: type[nn.Module], left: int
) -> None:
    torch.manual_seed(0)
    backbone = Registry.of(load_plugins()).backbones.resolve(name).load()
    model = TransferModel(backbone.build(5, image_size=32, pretrained=name.startswith("packaged")), backbone)
    model.train_only(model.head)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    before = {key: tensor.clone() for key, tensor in model.module.state_dict().items()}
    prefix = fused(cut(model.module, images).prefix, images)
    made = packed(prefix, images)
    assert called(made, Packed) == convolutions
    assert called(made, activation) == left
    with torch.inference_mode():
        for number in (4, 3, 9):
            others = torch.randn(number, 3, 32, 32)
            expected = prefix(others)
            scale = float(expected.abs().max())
            torch.testing.assert_close(made(others), expected, rtol=1e-4, atol=1e-5 * max(1.0, scale))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.module.state_dict().items())


class Shared(nn.Module):
    """A convolution whose own output is used too, behind a dropout that is on, and one that pads by reflection."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.dropped = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.reflected = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(1e-9)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = self.seen(images)
        second = self.relu(self.dropout(self.dropped(self.relu(first) + first)))
        result: torch.Tensor = self.relu(self.reflected(second))
        return result


def test_what_can_not_be_one_pass_stays_apart() -> None:
    piece = fx.symbolic_trace(Shared())
    made = packed(piece, torch.randn(2, 3, 4, 4))
    assert called(made, Packed) == 2
    assert called(made, nn.ReLU) == 3
    assert called(made, nn.Conv2d) == 1


def test_a_pytorch_that_can_not_pack_computes_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    monkeypatch.delattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
    assert packed(piece, torch.randn(2, 3, 8, 8)) is piece
