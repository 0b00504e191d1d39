"""Blocks of torchvision's and timm's architectures: those of the papers, all of the body, the same from both."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path

import pytest
import torch

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

TABLE = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "blocks.json").read_text("utf-8"))
ROWS = {f"{row['provider']}/{row['architecture']}": row for row in TABLE["rows"]}
"""Made by `python benchmarks/blocks.py`."""

SAME = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "wide_resnet50_2": "wide_resnet50_2",
    "resnext50_32x4d": "resnext50_32x4d",
    "densenet121": "densenet121",
    "vgg11": "vgg11",
    "vgg16": "vgg16",
    "vgg11_bn": "vgg11_bn",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "mnasnet1_0": "mnasnet_100",
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_v2_s": "tf_efficientnetv2_s",
    "convnext_tiny": "convnext_tiny",
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_v2_t": "swinv2_tiny_window8_256",
    "vit_b_16": "vit_base_patch16_224",
    "maxvit_t": "maxvit_tiny_tf_224",
    "regnet_x_400mf": "regnetx_004_tv",
    "regnet_y_400mf": "regnety_004",
    "inception_v3": "inception_v3",
}
"""An architecture's name in torchvision, and in timm."""

OTHER_PARAMETERS = {
    "swin_v2_t": "timm keeps no bias of the keys, which torchvision has and sets to zero",
    "maxvit_t": "timm's stem has a bias that torchvision's has not, and its first shortcut no projection",
}
"""Where the providers' blocks differ in their parameters."""


@cache
def registry() -> Registry:
    return Registry.of(load_plugins())


def made(name: str) -> TransferModel:
    """Names and shapes without the memory; RegNets of torchvision can't be built without computing."""
    backbone = registry().backbones.resolve(name).load()
    size = 256 if "swin_v2" in name or "window8_256" in name else 224
    with torch.device("cpu" if name.startswith("torchvision/regnet") else "meta"):
        return TransferModel(backbone.build(1000, image_size=size, pretrained=False), backbone)


def sizes(model: TransferModel, parts: list[Part]) -> list[int]:
    return [sum(each.numel() for _, each in model.parameters(part)) for part in parts]


@pytest.mark.parametrize("name", ROWS)
def test_blocks_are_a_partition_of_the_body_each_with_a_weight_matrix(name: str) -> None:
    model = made(name)
    parameters = dict(model.module.named_parameters())
    body = {each for each, _ in model.parameters(model.body)}
    blocks = [{each: parameters[each] for each in parameters if part.holds(each)} for part in model.blocks]
    owned = [each for block in blocks for each in block]
    assert len(owned) == len(body) and {*owned} == body
    without = [path for path, block in zip(model.block_paths, blocks, strict=True) if not has_matrix(block)]
    assert without == []
    assert body.isdisjoint(each for each, _ in model.parameters(model.head))
    assert len({*model.block_paths}) == len(blocks)
    row = ROWS[name]
    assert (len(blocks), model.layout[-1].stage) == (row["blocks"], row["stages"] - 1)
    assert min(sum(each.numel() for each in block.values()) for block in blocks) == row["smallest_block_parameters"]


def has_matrix(block: dict[str, torch.nn.Parameter]) -> bool:
    return any(each.ndim > 1 for each in block.values())


def test_the_table_has_sixty_architectures_and_both_names_of_those_that_both_have() -> None:
    assert len({row["architecture"] for row in TABLE["rows"]}) >= 60
    assert {f"torchvision/{name}" for name in SAME} | {f"timm/{name}" for name in SAME.values()} <= {*ROWS}


@pytest.mark.parametrize("name", SAME)
def test_both_providers_have_the_same_blocks_and_stages(name: str) -> None:
    ours, theirs = made(f"torchvision/{name}"), made(f"timm/{SAME[name]}")
    assert [block.stage for block in ours.layout] == [block.stage for block in theirs.layout]
    same = sizes(ours, ours.blocks) == sizes(theirs, theirs.blocks)
    assert same is (name not in OTHER_PARAMETERS)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/resnet18", "timm/resnet18", "torchvision/vgg11_bn", "timm/vgg11", "timm/vit_tiny_patch16_224",
        "torchvision/vit_b_16", "timm/efficientnet_b0", "torchvision/mobilenet_v3_small", "timm/convnext_tiny",
        "torchvision/convnext_tiny", "torchvision/mnasnet1_0", "timm/inception_v3", "timm/pit_ti_224",
        "timm/hiera_tiny_224", "torchvision/squeezenet1_0", "torchvision/maxvit_t", "timm/rexnet_100",
        "timm/coat_lite_tiny",
    ],
)  # fmt: skip
def test_blocks_run_in_their_order_and_give_a_tensor(name: str) -> None:
    model = made(name)
    ran: list[str] = []

    def note(path: str, _module: object, _inputs: object, output: object) -> None:
        assert isinstance(output, torch.Tensor), path
        ran.append(path)

    for path in model.block_paths:
        model.module.get_submodule(path).register_forward_hook(partial(note, path))
    model.module.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert ran == model.block_paths


def test_no_block_is_named_by_a_module_that_others_have_too() -> None:
    """CoaT's position encodings run inside of the blocks and behind them; its parallel blocks give several maps."""
    paths = made("timm/coat_tiny").block_paths
    assert [path for path in paths if path.startswith(("cpe", "crpe"))] == []
    assert [path.partition(".")[0] for path in paths[:4]] == ["patch_embed1", *["serial_blocks1"] * 2, "patch_embed2"]


def test_each_block_of_an_architecture_that_states_few_groups_is_its_own() -> None:
    """timm's groups of MViT, PVT and MaxViT are stages."""
    for name, depth in (("mvitv2_tiny", 10), ("pvt_v2_b0", 8), ("maxvit_tiny_tf_224", 11)):
        assert len(made(f"timm/{name}").blocks) == 1 + depth
