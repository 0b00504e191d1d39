"""Every torchvision classification model: its head is where the plugin says, its weights load, it has blocks."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torchvision import models

from tlbench.contracts.model import TransferModel
from tlbench.engine.weights import conversion, load_file_into
from tlbench.errors import UserError, WeightsUnavailable
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_torchvision import names
from tlbench_torchvision.backbone import torchvision_backbone

LARGE_REGNETS = {name for name in names() if name.startswith("regnet") and name.endswith("gf")}
"""RegNets can't be built without computing; the small ones stand for them."""

ALL = sorted(set(names()) - LARGE_REGNETS)


@pytest.mark.parametrize("name", ALL)
def test_head_blocks_and_preprocessing(name: str) -> None:
    backbone = torchvision_backbone(name)
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        module = backbone.build(7, image_size=224, pretrained=False)
        model = TransferModel(module, backbone)
        assert module.eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)
    head = dict(model.parameters(model.head))
    assert {parameter.shape[0] for parameter in head.values()} == {7}
    assert len(model.blocks) >= 4
    assert backbone.weights is not None
    transform = models.get_model_weights(name).DEFAULT.transforms()
    assert list(backbone.preprocessing.mean) == transform.mean
    assert backbone.preprocessing.interpolation == transform.interpolation.value


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where torchvision looks for downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


SIZES = {"googlenet": 64, "inception_v3": 96, "maxvit_t": 224, "vit_b_32": 64, "alexnet": 64, "squeezenet1_0": 64}
PUBLISHED = [name for name in names() if models.get_model_weights(name).DEFAULT.meta["num_params"] < 3e7]
"""Up to 30 million parameters, their files with random tensors; ViT-B/32 besides, and the others as `GIANTS`."""
GIANTS = sorted(set(names()) - {*PUBLISHED, "vit_b_32"})
INITIALISERS = ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_")


def published_file(name: str, folder: Path) -> dict[str, torch.Tensor]:
    """A file as torchvision publishes it, of random tensors: auxiliary heads, DenseNet's older
    names without counts of batches."""
    weights = models.get_model_weights(name).DEFAULT
    arguments = {"aux_logits": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = models.get_model(name, weights=None, **arguments)
    state = model.state_dict()
    if name.startswith("densenet"):
        older = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))(?=[12]\.)")
        named = ((older.sub(r"\1.", key), tensor) for key, tensor in state.items())
        state = OrderedDict(each for each in named if not each[0].endswith("num_batches_tracked"))
    torch.save(state, folder / Path(weights.url).name)
    return model.state_dict()


@pytest.mark.parametrize("name", [*PUBLISHED, "vit_b_32"])
def test_published_weights_fill_all_but_the_head(checkpoints: Path, name: str) -> None:
    published = published_file(name, checkpoints)
    backbone = torchvision_backbone(name)
    model = backbone.build(7, image_size=SIZES.get(name, 32), pretrained=True)
    for key, tensor in model.state_dict().items():
        if key.startswith(f"{backbone.head}."):
            assert tensor.shape[0] == 7
        elif tensor.shape == published[key].shape:  # position embeddings follow the image size
            assert torch.equal(tensor, published[key]), key
        else:
            assert "pos_embedding" in key


@pytest.mark.slow
@pytest.mark.parametrize("name", GIANTS)
def test_published_weights_of_giants_fill_all_but_the_head(
    checkpoints: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their files have the same names and shapes, and one value in all places."""
    for initialiser in INITIALISERS:  # half a minute for the largest, and overwritten
        monkeypatch.setattr(torch.nn.init, initialiser, lambda tensor, *_arguments, **_options: tensor)
    weights = models.get_model_weights(name).DEFAULT
    arguments = {"image_size": weights.transforms().crop_size[0]} if name.startswith("vit") else {}
    own = models.get_model(name, weights=None, **arguments).state_dict()
    state = OrderedDict(
        (key, torch.tensor(0.75).expand(each.shape) if each.is_floating_point() else each) for key, each in own.items()
    )
    if name.startswith("densenet"):
        older = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))(?=[12]\.)")
        state = OrderedDict((older.sub(r"\1.", key), tensor) for key, tensor in state.items() if "batches" not in key)
    torch.save(state, checkpoints / Path(weights.url).name)
    backbone = torchvision_backbone(name)
    model = backbone.build(7, image_size=224, pretrained=True)
    for key, tensor in model.state_dict().items():
        if key.startswith(f"{backbone.head}."):
            assert tensor.shape[0] == 7
        elif tensor.is_floating_point():
            assert tensor.shape == own[key].shape or "pos_embedding" in key
            assert (tensor - 0.75).abs().max() < 1e-6, key


@pytest.mark.parametrize("name", ["densenet121", "mnasnet0_5", "googlenet", "inception_v3", "vit_b_32"])
def test_a_file_of_the_same_tensors_is_taken_as_published_ones_are(checkpoints: Path, name: str) -> None:
    published_file(name, checkpoints)
    backbone = torchvision_backbone(name)
    size = SIZES.get(name, 32)
    by_torchvision = backbone.build(7, image_size=size, pretrained=True).state_dict()
    module = backbone.build(7, image_size=size, pretrained=False)
    load_file_into(module, next(checkpoints.iterdir()), backbone.head_paths, conversion(backbone, size))
    for key, tensor in module.state_dict().items():
        assert key.startswith(f"{backbone.head}.") or torch.equal(tensor, by_torchvision[key]), key


def test_weights_that_cannot_be_downloaded(checkpoints: Path) -> None:
    weights = torchvision_backbone("resnet18").weights
    assert weights is not None
    with pytest.raises(WeightsUnavailable, match=r"resnet18-.*\.pth: .*urlopen error"):
        weights.fetch()
    assert not list(checkpoints.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit_b_16", {"class_token", "pos_embedding"}),
        ("swin_t", {"relative_position_bias_table"}),
        ("convnext_tiny", {"layer_scale"}),
        ("resnet18", set()),
    ],
)
def test_embeddings_and_factors_are_not_decayed(name: str, expected: set[str]) -> None:
    backbone = torchvision_backbone(name)
    with torch.device("meta"):
        model = TransferModel(backbone.build(7, image_size=224, pretrained=False), backbone)
    names = set(dict(model.module.named_parameters()))
    assert model.no_decay.tensors <= names
    assert {each.rpartition(".")[2] for each in model.no_decay.tensors} == expected
    assert all(each in model.no_decay.tensors for each in names if each.rpartition(".")[2] in expected)


def test_weights_are_chosen_by_their_tag() -> None:
    first, default = torchvision_backbone("mobilenet_v2", "IMAGENET1K_V1"), torchvision_backbone("mobilenet_v2")
    assert first.weights is not None and default.weights is not None
    assert (first.weights.name, default.weights.name) == (
        "torchvision/mobilenet_v2.IMAGENET1K_V1", "torchvision/mobilenet_v2.IMAGENET1K_V2",
    )  # fmt: skip
    assert first.weights.url != default.weights.url
    registry = Registry.of(load_plugins())
    named = registry.backbones.resolve("mobilenet_v2:weights=IMAGENET1K_V1").load().weights
    assert named is not None and named.url == first.weights.url
    with pytest.raises(UserError, match=r"has no weights 'V1'.*it has IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT"):
        torchvision_backbone("mobilenet_v2", "V1")


def test_the_size_is_that_which_the_weights_were_trained_at() -> None:
    sizes = {name: torchvision_backbone(name).preprocessing.size for name in ("resnet18", "inception_v3")}
    assert sizes == {"resnet18": 224, "inception_v3": 299}
