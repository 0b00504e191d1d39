"""The blocks of torchvision's models, by the classes that torchvision builds them of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest

from torch import nn
from torchvision.models import (
    convnext,
    efficientnet,
    inception,
    maxvit,
    mnasnet,
    mobilenetv2,
    mobilenetv3,
    regnet,
    resnet,
    shufflenetv2,
    squeezenet,
    swin_transformer,
    vision_transformer,
)  # fmt: skip
from torchvision.models.densenet import DenseNet, _DenseLayer
from torchvision.models.googlenet import Inception
from torchvision.models.mnasnet import MNASNet

from tlbench.contracts import Block
from tlbench.contracts.structure import lies_in, plain

BLOCKS = (
    resnet.BasicBlock, resnet.Bottleneck, regnet.ResBottleneckBlock, efficientnet.MBConv, efficientnet.FusedMBConv,
    mobilenetv2.InvertedResidual, mobilenetv3.InvertedResidual, shufflenetv2.InvertedResidual,
    mnasnet._InvertedResidual, convnext.CNBlock, swin_transformer.SwinTransformerBlock, maxvit.MaxVitLayer,
    vision_transformer.EncoderBlock, _DenseLayer, squeezenet.Fire, Inception, inception.InceptionA,
    inception.InceptionB, inception.InceptionC, inception.InceptionD, inception.InceptionE,
)  # fmt: skip
"""The classes of residual, dense, inception and transformer blocks."""

PLAIN = ("VGG", "AlexNet")
"""Architectures of single layers in a row."""


Found = list[tuple[str, nn.Module]]


def torchvision_blocks(head: str, model: nn.Module) -> Sequence[Block]:
    """The blocks of a model; its stem, downsampling layers, final norm and convolution head join them by place."""
    kind = type(model).__name__
    if kind in PLAIN:
        return plain(model, (head,))
    found = [(path, each) for path, each in model.named_modules() if isinstance(each, BLOCKS)]
    stages = STAGES[kind](model, found) if kind in STAGES else [None] * len(found)
    blocks = [Block(path, stage=stage) for (path, _), stage in zip(found, stages, strict=True)]
    if isinstance(model, MNASNet):  # its first block, a separable convolution, is five layers among those of the stem
        blocks.insert(0, Block("layers.7", tuple(f"layers.{place}" for place in range(3, 8))))
    if isinstance(model, DenseNet):  # a transition reduces what its dense block has gathered
        blocks = list(_with_transitions(model, blocks))
    return blocks


def _with_transitions(model: DenseNet, blocks: Sequence[Block]) -> Iterator[Block]:
    """The dense layers, the last of each dense block with the transition behind it."""
    for block, following in zip_longest(blocks, blocks[1:]):
        transition = block.name.rpartition(".")[0].replace("denseblock", "transition")
        ends = following is None or following.name.rpartition(".")[0] != block.name.rpartition(".")[0]
        has_one = ends and transition.rpartition(".")[2] in model.features._modules
        yield replace(block, modules=(block.name, transition)) if has_one else block


def _by_channels(_model: nn.Module, found: Found) -> list[int]:
    """A stage is a run of blocks with as many channels, as in the tables of the MobileNet papers."""
    return _numbered([each.out_channels for _, each in found])


def _by_pooling(model: nn.Module, found: Found) -> list[int]:
    """A stage ends with a pooling between blocks."""
    paths = [path for path, _ in found]
    stage, stages = 0, []
    for path, each in model.named_modules():
        if path in paths:
            stages.append(stage)
        elif isinstance(each, nn.MaxPool2d) and not lies_in(path, paths):
            stage += 1
    return stages


def _by_number(_model: nn.Module, found: Found) -> list[int]:
    """A stage is what has one number in its name: Mixed_5b, Mixed_5c and Mixed_5d."""
    return _numbered([path[: len("Mixed_5")] for path, _ in found])


def _numbered(keys: Sequence[object]) -> list[int]:
    return [number for number, (_, run) in enumerate(groupby(keys)) for _ in run]


STAGES: dict[str, Callable[[nn.Module, Found], list[int]]] = {
    "MobileNetV2": _by_channels,
    "MobileNetV3": _by_channels,
    "GoogLeNet": _by_pooling,
    "SqueezeNet": _by_pooling,
    "Inception3": _by_number,
}
"""How stages are told apart where they aren't containers of blocks."""
