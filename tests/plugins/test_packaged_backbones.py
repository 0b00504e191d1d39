"""EfficientNet-Lite's real weights, and the small CNN."""

from __future__ import annotations

import PIL.Image
import pytest
import skimage.data
import torch
from sklearn.datasets import load_sample_images

from tlbench.contracts import Backbone
from tlbench.data.images import fit, to_rgb
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_packaged.efficientnet_lite import build, efficientnet_lite, imagenet_state
from tlbench_packaged.small_cnn import SmallCNN, small_cnn

CHINESE_TEMPLES = {663: "monastery", 698: "palace", 832: "stupa", 718: "pier", 839: "suspension bridge"}
DAISY_LIKE = {985: "daisy"}
CATS = {281: "tabby", 282: "tiger cat", 285: "Egyptian cat", 283: "Persian cat"}


def top5(version: int, photo: object, size: int = 224) -> list[int]:
    """The five likeliest ImageNet classes of a photograph."""
    backbone = efficientnet_lite(version)
    model = build(version, 1000, image_size=size, pretrained=True).eval()
    pixels = fit(to_rgb(photo), size, backbone.preprocessing.interpolation)  # type: ignore[arg-type]
    images = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.inference_mode():
        classes: list[int] = model(images)[0].topk(5).indices.tolist()
    return classes


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_photograph_of_a_cat_is_a_cat(version: int) -> None:
    assert top5(version, PIL.Image.fromarray(skimage.data.cat()))[0] in CATS


def test_photographs_of_a_temple_and_a_flower() -> None:
    china, _flower = load_sample_images().images
    assert set(top5(0, china)) & set(CHINESE_TEMPLES)


def test_the_head_is_new_and_the_body_published() -> None:
    ours = build(0, 10, image_size=32, pretrained=True)
    published = imagenet_state(0, ours)
    for name, tensor in ours.state_dict().items():
        if name.startswith("classifier."):
            assert tensor.shape[0] == 10
        else:
            assert torch.equal(tensor, published[name])


def test_tensors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError, match="the package has 296 tensors"):
        imagenet_state(0, torch.nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="can't become"):
        wrong = build(0, 10, image_size=32, pretrained=False)
        wrong.conv_stem = torch.nn.Conv2d(3, 16, 3, bias=False)
        imagenet_state(0, wrong)


@pytest.mark.parametrize("size", [8, 28, 32])
def test_small_cnn_is_the_network_of_the_tutorials(size: int) -> None:
    model = SmallCNN(10, size)
    side = size // 8
    convolutions = (3 * 64 + 64 * 64 + 64 * 128) * 9 + 64 + 64 + 128
    linear = 128 * side * side * 512 + 512 + 512 * 10 + 10
    assert sum(parameter.numel() for parameter in model.parameters()) == convolutions + linear
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 10)


def test_small_cnn_has_no_published_weights() -> None:
    backbone: Backbone = small_cnn()
    assert backbone.weights is None
    with pytest.raises(ValueError, match="no published weights"):
        backbone.build(10, image_size=32, pretrained=True)


def test_an_unqualified_name_is_the_packaged_one_before_timms() -> None:
    registry = Registry.of(load_plugins())
    assert registry.backbones.resolve("efficientnet_lite0").ref == "packaged/efficientnet_lite0"
    assert registry.backbones.resolve("resnet50").ref == "torchvision/resnet50"
    assert registry.backbones.resolve("vit_tiny_patch16_224").ref == "timm/vit_tiny_patch16_224"
    assert registry.backbones.resolve("timm/resnet50").ref == "timm/resnet50"
