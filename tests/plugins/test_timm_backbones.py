"""timm models: head, preprocessing and image size as timm's own configuration says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import timm
import torch
from timm.optim import param_groups_weight_decay

from tlbench.engine.model import TransferModel
from tlbench.errors import UserError, WeightsUnavailable
from tlbench_timm.backbone import timm_backbone

SOME = (
    "resnet18", "resnet50.a1_in1k", "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "convnext_atto",
    "swin_tiny_patch4_window7_224", "mobilenetv3_small_050", "regnety_002", "efficientnet_b0", "densenet121", "vgg11",
    "inception_v3", "mixer_s32_224", "levit_128s", "edgenext_xx_small", "ghostnet_050",
)  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_head_blocks_and_preprocessing(name: str) -> None:
    backbone = timm_backbone(name)
    size = 224
    module = backbone.build(7, image_size=size, pretrained=False)
    model = TransferModel(module, backbone)
    head = [parameter for _, parameter in model.parameters(model.head)]
    assert any(parameter.shape[0] == 7 for parameter in head)
    assert len(model.blocks) >= 3
    config = timm.get_pretrained_cfg(name)
    assert backbone.preprocessing.mean == tuple(config.mean)
    assert backbone.preprocessing.std == tuple(config.std)


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224", "levit_128s"])
def test_what_timm_does_not_decay_is_not_decayed(name: str) -> None:
    backbone = timm_backbone(name)
    with torch.device("meta"):
        module = backbone.build(7, image_size=224, pretrained=False)
    model = TransferModel(module, backbone)
    ours = {
        each for each, tensor in module.named_parameters() if tensor.ndim > 1 and each not in model.no_decay.tensors
    }
    groups = param_groups_weight_decay(module, 0.1, no_weight_decay_list=module.no_weight_decay())
    decayed = {id(each) for group in groups if group["weight_decay"] for each in group["params"]}
    assert ours == {each for each, tensor in module.named_parameters() if id(tensor) in decayed}
    assert model.no_decay.tensors


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "resnet18"])
def test_other_image_sizes(name: str) -> None:
    module = timm_backbone(name).build(7, image_size=64, pretrained=False).eval()
    with torch.inference_mode():
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_without_network_the_hub_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = timm_backbone("resnet10t").weights
    assert weights is not None
    assert weights.name == "timm/resnet10t.c3_in1k"
    begun = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="does not answer"):
        weights.fetch()
    assert time.monotonic() - begun < 20  # the hub's client alone takes 45 s to give up


def test_a_model_without_a_head_is_refused() -> None:
    with pytest.raises(UserError, match="has no classification head"):
        timm_backbone("qwen3_vit_88m_enc")
