"""A model's parts: head, body and blocks of real architectures, and what freezing does to them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import pytest
import timm
import torch
import torchvision
from builders import make_backbone
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.errors import BackboneError

NORMALISATION_AND_DROPOUT = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


def small() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    stage = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    modules = {"stem": stem, "stage": stage, "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    return nn.Sequential(OrderedDict({**modules, "fc": nn.Linear(4, 3)}))


Case = tuple[Callable[[], nn.Module], str]

CASES: dict[str, Case] = {
    "small": (small, "fc"),
    "resnet18": (torchvision.models.resnet18, "fc"),
    "vgg11": (torchvision.models.vgg11, "classifier.6"),
    "vit_b_16": (torchvision.models.vit_b_16, "heads.head"),
    "vit_tiny": (lambda: timm.create_model("vit_tiny_patch16_224"), "head"),
}
"""What builds the module, and its head."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[TransferModel, str]:
    """A model on the meta device, its blocks found: names and shapes without the memory."""
    build, head = CASES[request.param]
    with torch.device("meta"):
        module = build()
    return TransferModel(module, make_backbone(head)), head


def names(model: TransferModel, part: Part) -> list[str]:
    return [name for name, _ in model.parameters(part)]


def test_head_and_body_partition_the_parameters(case: tuple[TransferModel, str]) -> None:
    model, head = case
    everything = [name for name, _ in model.module.named_parameters()]
    assert sorted(names(model, model.everything)) == sorted(everything)
    assert sorted(names(model, model.head) + names(model, model.body)) == sorted(everything)
    assert names(model, model.head) == [f"{head}.weight", f"{head}.bias"]


def test_blocks_and_stages_partition_the_body(case: tuple[TransferModel, str]) -> None:
    model, _ = case
    body = names(model, model.body)
    for parts in (model.blocks, model.stages):
        assert sorted(name for part in parts for name in names(model, part)) == sorted(body)
    assert set(names(model, model.neck)) <= set(names(model, model.blocks[-1]))


def test_blocks_run_in_their_order(case: tuple[TransferModel, str]) -> None:
    model, _ = case
    ran: list[str] = []

    def note(path: str, *_: object) -> None:
        ran.append(path)

    for path in model.block_paths:
        model.module.get_submodule(path).register_forward_hook(partial(note, path))
    model.module.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert ran == model.block_paths


def test_training_the_head_rests_all_else(case: tuple[TransferModel, str]) -> None:
    model, head = case
    model.train_only(model.head)
    trained = {name for name, parameter in model.module.named_parameters() if parameter.requires_grad}
    assert trained == {f"{head}.weight", f"{head}.bias"}
    assert model.module.get_submodule(head).training
    resting = [module for module in model.module.modules() if isinstance(module, NORMALISATION_AND_DROPOUT)]
    assert not any(module.training for module in resting)


def test_training_everything_undoes_that(case: tuple[TransferModel, str]) -> None:
    model, _ = case
    model.train_only(model.head)
    model.train_only(model.everything)
    assert all(module.training for module in model.module.modules())
    assert len(model.trainable()) == len(list(model.module.parameters()))


def test_training_the_last_block_and_the_head_reaches_no_other_block() -> None:
    model = TransferModel(small(), make_backbone("fc"))
    model.train_only(model.head | Part(frozenset({"stage.1"})))
    modes = {path: module.training for path, module in model.module.named_modules() if not list(module.children())}
    assert [path for path, training in modes.items() if training] == ["stage.1", "fc"]
    assert model.module.get_submodule("stage").training
    assert not model.module.get_submodule("stem").training


def test_blocks_of_the_small_model_are_its_convolutions_with_what_follows_them() -> None:
    model = TransferModel(small(), make_backbone("fc"))
    assert [block.modules for block in model.layout] == [
        ("stem.0", "stem.1", "stem.2"),
        ("stage.0", "stage.1", "stage.2", "pool", "flat"),
    ]
    assert model.block_paths == ["stem.2", "stage.1"]


def test_named_blocks_go_before_those_found() -> None:
    backbone = make_backbone("fc")
    named = type(backbone)(build=backbone.build, head="fc", blocks=lambda _module: ["stem", "stage"])
    blocks = TransferModel(small(), named).blocks
    assert [sorted(block.paths) for block in blocks] == [
        ["stem", "stem.0", "stem.1", "stem.2"],
        ["flat", "pool", "stage", "stage.0", "stage.1", "stage.2"],
    ]


def test_a_head_of_two_modules() -> None:
    model = TransferModel(small(), make_backbone(("stage", "fc")))
    assert {name.partition(".")[0] for name in names(model, model.head)} == {"stage", "fc"}
    assert model.block_paths == ["stem.2"]


def test_a_head_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(BackboneError, match="head='classifier' names no module"):
        TransferModel(small(), make_backbone("classifier"))


def test_a_reset_head_is_drawn_as_pytorch_draws_it_and_the_body_stays() -> None:
    model = TransferModel(small(), make_backbone("fc"))
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.fill_(7)
    torch.manual_seed(3)
    model.reset_head()
    torch.manual_seed(3)
    assert torch.equal(model.module.get_parameter("fc.weight"), nn.Linear(4, 3).weight)
    assert all((parameter == 7).all() for _, parameter in model.parameters(model.body))


def test_parts_add_and_subtract() -> None:
    one, two = Part(frozenset("ab")), Part(frozenset("bc"))
    assert (one | two).paths == set("abc")
    assert (one - two).paths == {"a"}


def test_what_is_attached_is_trained_with_everything_and_no_part_of_the_body() -> None:
    model = TransferModel(small(), make_backbone("fc"))
    images = torch.randn(2, 3, 12, 12)
    before, body = model.module.eval()(images), names(model, model.body)
    projector = model.attach("projector", nn.Linear(4, 2))
    assert names(model, projector) == ["projector.weight", "projector.bias"] == names(model, model.attached)
    assert set(names(model, model.everything)) > {"projector.weight"}
    assert names(model, model.body) == body
    assert torch.equal(model.module(images), before)  # a sequence runs what it had alone
    copied = model.clone()
    copied.detach("projector")
    assert "projector" in dict(model.module.named_children()) and "projector" not in dict(
        copied.module.named_children()
    )
    outer = nn.ModuleDict({"inside": model.module})
    model.wrap(outer, "inside", ("inside.fc",))
    assert names(model, model.attached) == ["inside.projector.weight", "inside.projector.bias"]
    model.detach()
    assert not names(model, model.attached) and len(list(model.module.parameters())) == len(
        names(model, model.everything)
    )


@pytest.mark.parametrize("name", ["fc", "forward", "two words"])
def test_a_name_that_the_model_has_can_not_be_attached(name: str) -> None:
    model = TransferModel(small(), make_backbone("fc"))
    with pytest.raises(LookupError, match=f"can't be attached as '{name}'"):
        model.attach(name, nn.Linear(4, 2))
    with pytest.raises(LookupError, match="no module is attached as 'projector'"):
        model.detach("projector")
