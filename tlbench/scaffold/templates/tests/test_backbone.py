"""The backbone keeps tlbench's contract, and has the size that it should have."""

from __future__ import annotations

import torch
from tlbench.testing import conformance

from my_plugin.backbone import SmallConvOptions, build_small_conv, make_small_conv

test_it_conforms = conformance("backbone", "my-plugin/small-conv")


def test_its_parameters_are_those_of_three_convolutions_and_a_head() -> None:
    width, classes = 8, 5
    channels = [3, width, 2 * width, 4 * width]
    convolutions = sum(9 * inputs * outputs for inputs, outputs in zip(channels, channels[1:], strict=False))
    norms = sum(2 * outputs for outputs in channels[1:])
    head = (4 * width + 1) * classes
    model = build_small_conv(classes, width)
    assert sum(each.numel() for each in model.parameters()) == convolutions + norms + head


def test_images_of_any_size_become_classes() -> None:
    backbone = make_small_conv(SmallConvOptions())
    for side in (16, 33):
        model = backbone.build(7, image_size=side, pretrained=False)
        assert model(torch.zeros(2, 3, side, side)).shape == (2, 7)
