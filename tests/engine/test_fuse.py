"""Frozen BatchNorms folded into convolutions: the same function with fewer operations."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import cut
from tlbench.engine.fuse import fused
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins


def norms(module: nn.Module) -> int:
    """How many BatchNorms a traced module still computes."""
    assert isinstance(module, fx.GraphModule)
    is_norm = (
        each.target is nn.functional.batch_norm
        or (each.op == "call_module" and isinstance(module.get_submodule(str(each.target)), nn.BatchNorm2d))
        for each in module.graph.nodes
    )
    return sum(is_norm)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("packaged/efficientnet_lite0", 49),
        ("torchvision/resnet18", 20),
        ("timm/resnet18", 20),
        ("torchvision/mobilenet_v3_small", 34),
        ("timm/vit_tiny_patch16_224", 0),
        ("torchvision/convnext_tiny", 0),
    ],
)
def test_all_batchnorms_behind_convolutions_are_folded(name: str, folded: int) -> None:
    torch.manual_seed(0)
    backbone = Registry.of(load_plugins()).backbones.resolve(name).load()
    model = TransferModel(backbone.build(5, image_size=32, pretrained=name.startswith("packaged")), backbone)
    for module in model.module.modules():  # statistics that differ from where they start
        if isinstance(module, nn.BatchNorm2d) and not name.startswith("packaged"):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    model.train_only(model.head)
    images = torch.randn(4, 3, 32, 32)
    before = {key: tensor.clone() for key, tensor in model.module.state_dict().items()}
    prefix = cut(model.module, images).prefix
    made = fused(prefix, images)
    assert norms(prefix) - norms(made) == folded
    assert norms(made) == 0
    with torch.inference_mode():
        expected = prefix(images)
        scale = float(expected.abs().max())
        torch.testing.assert_close(made(images), expected, rtol=1e-4, atol=1e-5 * max(1.0, scale))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.module.state_dict().items())


class Shared(nn.Module):
    """A convolution whose own output is used too, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.norm, self.other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.first(images)
        twice: torch.Tensor = self.other(self.again(self.again(self.norm(seen) + seen)))
        return twice


def test_what_others_see_is_left_alone() -> None:
    module = fx.symbolic_trace(Shared().eval())
    assert fused(module, torch.randn(2, 3, 4, 4)) is module


def test_a_norm_in_train_mode_is_left_alone() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    module = fx.symbolic_trace(layers)
    assert fused(module, torch.randn(2, 3, 8, 8)) is module
