"""Families of backbones, by their layers."""

from __future__ import annotations

import pytest
import torch

from tlbench.contracts.family import family_of
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("torchvision/resnet18", "cnn"),
        ("torchvision/vgg11_bn", "cnn"),
        ("torchvision/densenet121", "cnn"),
        ("packaged/efficientnet_lite0", "cnn"),
        ("timm/resnetv2_50x1_bit", "cnn"),  # GroupNorm
        ("torchvision/vgg11", "cnn-without-norm"),
        ("torchvision/alexnet", "cnn-without-norm"),
        ("packaged/small_cnn", "cnn-without-norm"),
        ("torchvision/vit_b_32", "transformer"),
        ("timm/vit_tiny_patch16_224", "transformer"),
        ("timm/swin_tiny_patch4_window7_224", "transformer"),
        ("timm/mixer_s32_224", "transformer"),
        ("torchvision/convnext_tiny", "transformer"),  # fine-tuned by the recipes of Swin
    ],
)
def test_the_family_of_a_backbone(name: str, family: str) -> None:
    backbone = Registry.of(load_plugins()).backbones.resolve(name).load()
    with torch.device("meta"):
        assert family_of(backbone.build(5, image_size=224, pretrained=False)) == family
