"""A backbone: a function that builds the model, and what transfer needs to know of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import Field
from tlbench import Backbone, Options, Preprocessing

if TYPE_CHECKING:
    from torch import nn


class SmallConvOptions(Options):
    """Given behind the name: `small-conv:width=32`."""

    width: int = Field(16, ge=1, description="channels of the first convolution")


def make_small_conv(options: SmallConvOptions) -> Backbone:
    """The backbone of some options; called when a run uses it."""

    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        # with published weights, pretrained=True loads them into all but the head
        return build_small_conv(num_classes, options.width)

    return Backbone(
        build,
        head="head",  # the path of the module that gives the classes
        blocks=lambda _module: ("stem", "block1", "block2"),  # the rest, from input to output
        preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), size=32),
        weights=None,  # a tlbench.Weights where there are published ones
        licence="Apache-2.0",
    )


def build_small_conv(num_classes: int, width: int) -> nn.Module:
    """Images N×3×S×S to N×num_classes."""
    from torch import nn

    def block(inputs: int, outputs: int) -> nn.Module:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

    return nn.Sequential(
        OrderedDict(
            stem=block(3, width),
            block1=block(width, 2 * width),
            block2=block(2 * width, 4 * width),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(4 * width, num_classes),
        )
    )
