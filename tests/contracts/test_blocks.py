"""The blocks of module trees: found where a backbone states none, completed where it does, refused where wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from builders import make_backbone
from torch import nn

from tlbench.contracts import Backbone, Block
from tlbench.contracts.blocks import blocks_of
from tlbench.contracts.model import TransferModel
from tlbench.errors import BackboneError


class Residual(nn.Module):
    """Two convolutions, the second of them in a sequence, as wide as asked."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, inner, 3, padding=1)
        self.norm = nn.BatchNorm2d(inner)
        self.branch = nn.Sequential(nn.ReLU(), nn.Conv2d(inner, width, 3, padding=1), nn.BatchNorm2d(width))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The sum of what is given and what the branch makes of it."""
        return images + self.branch(self.norm(self.first(images)))


class Stage(nn.Module):
    """Two residual blocks behind a convolution that halves."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.downsample = nn.Conv2d(before, width, 2, stride=2)
        self.members = nn.Sequential(Residual(width, width), Residual(width, width))
        self.norm = nn.BatchNorm2d(width)


class Network(nn.Module):
    """A stem with a token, two stages of residual blocks, a final norm, a convolution head, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 4))
        self.register_buffer("grid", torch.zeros(3))
        self.conv = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.stages = nn.ModuleList([Stage(4, 4), Stage(4, 8)])
        self.norm = nn.BatchNorm2d(8)
        self.top = nn.Conv2d(8, 16, 1)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(16, 3)


def stating(blocks: Sequence[str | Block], head: str | tuple[str, ...] = "fc") -> Backbone:
    return Backbone(build=make_backbone("fc").build, head=head, blocks=lambda _module: blocks)


def test_blocks_are_found_inside_of_stages_and_the_rest_joins_them_by_its_place() -> None:
    assert blocks_of(Network(), make_backbone("fc")) == [
        Block("act", ("token", "grid", "conv", "act", "pool"), stage=0),
        Block("stages.0.members.0", ("stages.0.downsample", "stages.0.members.0"), stage=0),
        Block("stages.0.members.1", ("stages.0.members.1", "stages.0.norm"), stage=0),
        Block("stages.1.members.0", ("stages.1.downsample", "stages.1.members.0"), stage=1),
        Block(
            "stages.1.members.1",
            ("stages.1.members.1", "stages.1.norm", "norm", "top", "drop"),
            neck=("stages.1.norm", "norm", "top", "drop"),
            stage=1,
        ),
    ]


def test_a_residual_block_is_never_split_however_much_of_the_model_it_is() -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Residual(4, 2), Residual(4, 500), nn.BatchNorm2d(4)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    blocks = blocks_of(module, make_backbone("7"))
    assert [block.name for block in blocks] == ["1", "2", "3"]
    assert blocks[-1].neck == ("4", "5", "6")


def test_a_plain_network_has_a_block_for_each_convolution_and_a_stage_for_each_pooling() -> None:
    features = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 8), nn.ReLU(), nn.Dropout()),
    )
    blocks = blocks_of(nn.Sequential(features, nn.Linear(8, 3)), make_backbone("1"))
    assert [(block.name, len(block.modules), block.stage) for block in blocks] == [
        ("0.2", 3, 0),
        ("0.4", 3, 0),
        ("0.7", 4, 1),
        ("0.11", 3, 2),
    ]


def test_stated_blocks_are_completed_to_all_of_the_body() -> None:
    module = Network()
    model = TransferModel(module, stating(["stages.0", "stages.1"]))
    assert [block.modules for block in model.layout] == [
        ("token", "grid", "conv", "act", "pool"),
        ("stages.0",),
        ("stages.1", "norm", "top", "drop"),
    ]
    held = [name for part in model.blocks for name in module.state_dict() if part.holds(name)]
    assert sorted(held) == sorted(name for name in module.state_dict() if not name.startswith("fc."))


def test_a_stated_stage_is_kept_and_numbered_from_0() -> None:
    stages = {"conv": 3, "stages.0": 3, "stages.1": 7}
    model = TransferModel(Network(), stating([Block(name, stage=stage) for name, stage in stages.items()]))
    assert [block.stage for block in model.layout] == [0, 0, 1]
    assert len(model.stages) == 2
    assert model.stages[0] == model.blocks[0] | model.blocks[1]


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (["stages.0", "stages.l"], r"blocks= has 'stages.l', which names no module; did you mean stages.1"),
        ([Block("conv", ("conv", "tokn"))], r"'tokn', which names no module and no tensor; did you mean token"),
        (["stages", "stages.1"], r"blocks= has 'stages' and 'stages.1', which overlap; name one of them"),
        (["stages.0", "stages.0"], r"blocks= has 'stages.0' twice; name each block once"),
        (["conv", "fc"], r"blocks= has 'fc', which overlaps the head 'fc'; leave the head out"),
        ([Block("conv", ("token",))], r"a block 'conv' whose modules= leave 'conv' out"),
        ([Block("conv", neck=("norm",)), "stages.0"], r"gives the block 'conv' a neck, which only the last block"),
        ([], r"blocks= gives no block, and the body has parameters; leave blocks= out"),
    ],
)
def test_blocks_that_cannot_be_are_refused_by_name(blocks: list[str | Block], said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        blocks_of(Network(), stating(blocks))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("fcs", r"head='fcs' names no module; did you mean fc"),
        (("stages", "stages.1"), r"head= names 'stages' and 'stages.1', which overlap"),
        ("stages.1.norm", r"blocks= has 'stages.1', which overlaps the head 'stages.1.norm'"),
    ],
)
def test_heads_that_cannot_be_are_refused_by_name(head: str | tuple[str, ...], said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        blocks_of(Network(), stating(["conv", "stages.1"], head))


def test_blocks_that_raise_are_told_as_the_backbones_fault() -> None:
    backbone = Backbone(build=make_backbone("fc").build, head="fc", blocks=lambda module: [module.layers])  # type: ignore[list-item]
    with pytest.raises(BackboneError, match=r"blocks= raises AttributeError: 'Network' object has no attribute"):
        blocks_of(Network(), backbone)


def test_a_body_without_parameters_has_no_blocks() -> None:
    assert blocks_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), make_backbone("1")) == []
