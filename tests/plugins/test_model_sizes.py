"""The tables of model sizes against torchvision's own figures, and against models counted again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import timm
from torch import nn
from torchvision import models

from tlbench.contracts import Backbone, ModelSize, Preprocessing
from tlbench.errors import BackboneError
from tlbench.registry.model_size import count_model_size, read_model_sizes, write_model_sizes
from tlbench_timm.backbone import timm_backbone
from tlbench_torchvision.backbone import torchvision_backbone

WITHOUT_AUXILIARY = {"googlenet", "inception_v3"}
"""Torchvision counts the parameters of their auxiliary classifiers, which are not built here."""


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_torchvision_states_the_same(name: str) -> None:
    backbone = torchvision_backbone(name)
    meta = models.get_model_weights(name).DEFAULT.meta
    assert backbone.size is not None
    if name not in WITHOUT_AUXILIARY:
        assert backbone.size.parameters == meta["num_params"]
    assert backbone.size.multiply_adds / 1e9 == pytest.approx(meta["_ops"], rel=0.01, abs=0.0006)
    assert backbone.weights is not None
    assert backbone.weights.imagenet_accuracy == meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100


@pytest.mark.parametrize(
    "backbone",
    [
        partial(torchvision_backbone, "mobilenet_v3_small"),
        partial(torchvision_backbone, "googlenet"),
        partial(torchvision_backbone, "regnet_y_400mf"),  # it computes its widths with tensors
        partial(timm_backbone, "vit_tiny_patch16_224"),
        partial(timm_backbone, "vit_base_patch16_384"),
        partial(timm_backbone, "cait_xxs24_224"),  # a parameter is an argument of its modules
        partial(timm_backbone, "resnet18.a1_in1k"),
    ],
)
def test_counting_again_gives_the_same(backbone: partial[Backbone]) -> None:
    assert backbone().size == count_model_size(backbone())


def test_every_timm_model_with_a_head_has_a_size() -> None:
    without = []
    for name in timm.list_models():
        config = timm.get_pretrained_cfg(name)
        if config is not None and config.classifier and timm_backbone(name).size is None:
            without.append(name)
    assert without == []


def test_a_linear_model_by_hand() -> None:
    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))

    size = count_model_size(Backbone(build, head="1", preprocessing=Preprocessing(size=4)))
    assert size == ModelSize(parameters=48 * 1000 + 1000, multiply_adds=48 * 1000)


def test_what_can_not_be_built_says_why() -> None:
    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        raise ValueError("no such layer")

    with pytest.raises(BackboneError, match=r"can't be built and run at 224 px \(ValueError: no such layer\)"):
        count_model_size(Backbone(build, head="1"))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:

    file = tmp_path / "sizes.csv"
    sizes = {("b", 224): ModelSize(2, 3), ("a", 96): ModelSize(5, 7)}
    write_model_sizes(file, sizes)
    assert read_model_sizes(file) == sizes
    assert file.read_text().splitlines()[1] == "a,96,5,7"
