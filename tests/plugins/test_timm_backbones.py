"""timm models: head, preprocessing and image size as timm's own configuration says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import save_for_hf
from timm.optim import param_groups_weight_decay

from tlbench.contracts.model import TransferModel
from tlbench.engine.weights import conversion, load_file_into
from tlbench.errors import UserError, WeightsUnavailable
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.toolkit import BackboneError
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


def test_an_architecture_that_keeps_to_its_own_size_refuses_others() -> None:
    build = timm_backbone("efficientformer_l1").build
    with pytest.raises(BackboneError, match="efficientformer_l1 takes images of 224 pixels alone, not of 96"):
        build(7, image_size=96, pretrained=False)
    assert build(7, image_size=224, pretrained=False).training


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


def saved(name: str, folder: Path, **arguments: Any) -> torch.nn.Module:
    """A model of random tensors in a folder, as timm saves them for the hub."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **arguments)
    save_for_hf(model, folder, safe_serialization=True)
    return model


def test_a_model_that_timm_has_saved_is_a_backbone(tmp_path: Path) -> None:
    model = saved("resnet10t", tmp_path / "mine", num_classes=5)
    registry = Registry.of(load_plugins())
    component = registry.backbones.resolve(f"local-dir:{tmp_path / 'mine'}")
    assert component.ref == f"timm/local-dir:path={tmp_path / 'mine'}"
    component.check()
    backbone = component.load()
    assert backbone.head == "fc"
    weights = backbone.weights
    assert weights is not None and weights.name.startswith("local-dir/mine@")
    weights.fetch()
    built = backbone.build(7, image_size=64, pretrained=True).state_dict()
    assert built["fc.weight"].shape[0] == 7
    assert all(torch.equal(built[key], each) for key, each in model.state_dict().items() if not key.startswith("fc."))
    before = weights.name
    saved("resnet10t", tmp_path / "mine", num_classes=6)
    again = component.load().weights
    assert again is not None and again.name != before


def test_a_folder_without_a_model_and_a_hub_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry.of(load_plugins())
    with pytest.raises(UserError, match=r"has no config\.json"):
        registry.backbones.resolve(f"local-dir:{tmp_path}").check()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="timm/hf-hub: someone/model can't be read: HF_HUB_OFFLINE is set"):
        registry.backbones.resolve("hf-hub:someone/model").load()
    with pytest.raises(UserError, match="option model"):
        registry.backbones.resolve("hf-hub:model")


@pytest.mark.parametrize(("name", "file_size"), [("vit_tiny_patch16_224", 224), ("resnet10t", 224)])
def test_a_file_is_taken_as_timm_takes_it(tmp_path: Path, name: str, file_size: int) -> None:
    size = {"img_size": file_size} if name.startswith("vit") else {}
    original = timm.create_model(name, pretrained=False, num_classes=11, **size)
    torch.save(
        {"state_dict": {f"module.{key}": each for key, each in original.state_dict().items()}}, tmp_path / "f.pt"
    )
    backbone = timm_backbone(name)
    module = backbone.build(7, image_size=64, pretrained=False)
    found = load_file_into(module, tmp_path / "f.pt", backbone.head_paths, conversion(backbone, 64))
    assert found.taken == ("'state_dict'", "without the prefix 'module.'")
    by_timm = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay={"file": str(tmp_path / "f.pt"), "num_classes": 11},
        **({"img_size": 64} if size else {}),
    ).state_dict()  # fmt: skip
    head = f"{backbone.head}."
    for key, tensor in module.state_dict().items():
        assert key.startswith(head) or torch.equal(tensor, by_timm[key]), key
