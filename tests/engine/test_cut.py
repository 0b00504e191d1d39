"""Models cut in two: the pieces give the whole, the prefix is what is frozen, and what can't be cut says why."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tlbench.engine.cut import NotCuttable, cut
from tlbench.engine.model import TransferModel
from tlbench.plugins import load_plugins
from tlbench.registry import Registry


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of(load_plugins())


def model_of(registry: Registry, name: str, size: int) -> TransferModel:
    torch.manual_seed(0)
    backbone = registry.backbones.resolve(name).load()
    model = TransferModel(backbone.build(5, image_size=size, pretrained=False), backbone)
    model.reset_head()
    return model


@pytest.mark.parametrize("last_blocks", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("packaged/efficientnet_lite0", 32),  # its convolutions pad by the size they see: they stay whole
        ("small_cnn", 16),
        ("torchvision/resnet18", 32),
        ("torchvision/vgg11", 32),
        ("torchvision/mobilenet_v3_small", 32),
        ("torchvision/convnext_tiny", 32),
        ("timm/vit_tiny_patch16_224", 32),
        ("timm/mobilevit_xxs", 64),
    ],
)
def test_the_pieces_are_the_whole_and_share_its_tensors(
    registry: Registry, name: str, size: int, last_blocks: int
) -> None:
    model = model_of(registry, name, size)
    part = model.head
    for block in model.blocks[len(model.blocks) - last_blocks :]:
        part = part | block
    model.train_only(part)
    images = torch.randn(3, 3, size, size)
    pieces = cut(model.module, images)
    trained = {id(parameter) for parameter in model.trainable()}
    assert trained <= {id(parameter) for parameter in pieces.suffix.parameters()}
    assert not trained & {id(parameter) for parameter in pieces.prefix.parameters()}
    with torch.no_grad():
        features = pieces.prefix(images)
        for _ in range(2):
            torch.manual_seed(1)  # for dropout and stochastic depth behind the cut
            expected = model.module(images)
            torch.manual_seed(1)
            torch.testing.assert_close(pieces.suffix(features), expected, rtol=1e-3, atol=1e-4)
            for parameter in model.trainable():  # the pieces see what training does to the model
                parameter.add_(0.01)


class TwoPaths(nn.Module):
    """Two frozen branches that meet in the head, or a first block that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head = nn.Bilinear(4, 4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.left(inputs), self.right(inputs))
        return logits


class Moody(nn.Module):
    """What it does depends on what it sees: no trace holds for all inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.body(inputs)
        if features.sum() > 0:
            features = -features
        logits: torch.Tensor = self.head(features)
        return logits


def frozen_but_for(module: nn.Module, trained: nn.Module) -> nn.Module:
    module.eval().requires_grad_(False)
    trained.train().requires_grad_(True)
    return module


@pytest.mark.parametrize(
    ("module", "trained", "said"),
    [
        (TwoPaths(), "head", "2 tensors lead from its frozen part"),
        (Moody(), "head", "its code can't be traced"),
        (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "0", "nothing is frozen before"),
        (nn.Sequential(nn.Dropout(), nn.Linear(4, 4), nn.Linear(4, 2)), "0", "tensors lead|nothing is frozen"),
    ],
)
def test_what_can_not_be_cut_says_why(module: nn.Module, trained: str, said: str) -> None:
    with pytest.raises(NotCuttable, match=said):
        cut(frozen_but_for(module, module.get_submodule(trained)), torch.randn(3, 4))


def test_batchnorm_in_train_mode_is_no_part_of_the_prefix() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    frozen_but_for(module, module[2])
    module[1].train()
    before = module[1].running_mean.clone()  # type: ignore[union-attr, operator]
    pieces = cut(module, torch.randn(8, 4))
    assert {name for name, _ in pieces.prefix.named_parameters()} == {"model.0.weight", "model.0.bias"}
    assert torch.equal(module[1].running_mean, before)  # type: ignore[arg-type]
