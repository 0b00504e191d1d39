"""The recipe of a step: against PyTorch, scikit-learn and loops written by hand."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from builders import make_backbone, make_images, make_objective, make_protocol, make_setting
from timm.optim import param_groups_weight_decay
from torch import nn

from tlbench.contracts import Preprocessing
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import epoch_order
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.engine.recipe import Averaged, make_optimizer, mixing, rate_factor
from tlbench.engine.renormalise import renormalising
from tlbench.engine.step import batch_loss
from tlbench.errors import UserError
from tlbench.plan import make_request
from tlbench_timm.backbone import timm_backbone


class Small(nn.Module):
    """A convolution, BatchNorm, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.norm(self.conv(images)).relu().mean((2, 3)))
        return logits


def small() -> TransferModel:
    torch.manual_seed(0)
    return TransferModel(Small(), make_backbone("fc"))


def run(model: TransferModel, folder: Path, lr: float = 0.05, **protocol: object) -> None:
    images, phase = make_images(folder, 12), Train(model.everything)
    setting = make_setting(make_protocol(**protocol), learning_rate=lr, order=torch.Generator().manual_seed(5))
    prepare_phase(model, phase)
    train(model, phase, 0, setting, Feed(images, model.module))


def test_sgd_is_pytorchs_with_nesterovs_momentum(tmp_path: Path) -> None:
    ours, theirs = small(), small().module
    run(ours, tmp_path, optimizer="sgd", schedule="constant", weight_decay=0.1, label_smoothing=0.2)
    images, order = make_images(tmp_path, 12), torch.Generator().manual_seed(5)
    decayed = [each for each in theirs.parameters() if each.ndim > 1]
    others = [each for each in theirs.parameters() if each.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others}], lr=0.05, momentum=0.9, nesterov=True
    )
    theirs.train()
    for _ in range(2):
        for chosen in epoch_order(12, 4, order):
            batch = images.batch(chosen)
            optimizer.zero_grad()
            F.cross_entropy(theirs(batch.images), batch.labels, label_smoothing=0.2).backward()
            optimizer.step()
    for name, tensor in ours.module.state_dict().items():
        torch.testing.assert_close(tensor, theirs.state_dict()[name])


def test_a_constant_schedule_stays_where_warm_up_ends() -> None:
    protocol = make_protocol(schedule="constant", warmup=0.4)
    assert [rate_factor(step, 5, protocol) for step in range(5)] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])


def test_a_tensor_takes_the_rate_of_the_first_part_that_holds_it() -> None:
    model = small()
    rates = [(model.head, 2.0), (model.everything, 0.5)]
    optimizer = make_optimizer(model, 0.1, Train(model.everything, rates=rates), make_protocol())
    found = {
        name: (group["peak_rate"], group["weight_decay"])
        for group in optimizer.param_groups
        for name, each in model.module.named_parameters()
        if any(each is member for member in group["params"])
    }
    assert found == {
        "conv.weight": (0.05, 0.01), "conv.bias": (0.05, 0.0), "norm.weight": (0.05, 0.0), "norm.bias": (0.05, 0.0),
        "fc.weight": (0.2, 0.01), "fc.bias": (0.2, 0.0),
    }  # fmt: skip


@pytest.mark.parametrize("behind", [False, True])
def test_a_vit_is_decayed_as_timm_does(behind: bool) -> None:
    """Whether the model is timm's own or behind another normalisation, where its names begin with another one."""
    backbone = timm_backbone("vit_tiny_patch16_224")
    if behind:
        backbone = renormalising(backbone, Preprocessing())
    model = TransferModel(backbone.build(3, image_size=32, pretrained=False), backbone)
    inside = model.module.get_submodule("model") if behind else model.module
    theirs = param_groups_weight_decay(inside, 0.01, no_weight_decay_list=inside.no_weight_decay())
    ours = make_optimizer(model, 0.1, Train(model.everything), make_protocol()).param_groups
    assert split(ours) == split(theirs)
    names = {id(each): name for name, each in inside.named_parameters()}
    undecayed = {names[each] for each in split(ours)[0.0] if inside.get_parameter(names[each]).ndim > 1}
    assert undecayed == {"cls_token", "pos_embed"}


def test_names_are_found_where_a_strategy_has_put_the_model_inside_another() -> None:
    backbone = timm_backbone("vit_tiny_patch16_224")
    model = TransferModel(backbone.build(3, image_size=32, pretrained=False), backbone)
    model.wrap(nn.ModuleDict({"body": model.module}), "body", ("body.head",))
    assert model.no_decay.tensors == {"body.cls_token", "body.pos_embed"}


def split(groups: list[dict[str, Any]]) -> dict[float, set[int]]:
    """Which tensors have which weight decay."""
    found: dict[float, set[int]] = {}
    for group in groups:
        found.setdefault(group["weight_decay"], set()).update(id(each) for each in group["params"])
    return found


def test_a_phase_can_leave_a_part_out_of_weight_decay() -> None:
    model = small()
    optimizer = make_optimizer(model, 0.1, Train(model.everything, no_decay=model.body), make_protocol())
    decayed = [each for group in optimizer.param_groups if group["weight_decay"] for each in group["params"]]
    assert [id(each) for each in decayed] == [id(model.module.get_parameter("fc.weight"))]


def test_class_weights_weigh_the_loss(tmp_path: Path) -> None:
    model, images = small(), make_images(tmp_path, 6)
    batch = images.batch(torch.arange(6))
    model.module.eval()
    weighted = make_objective(3, [0, 0, 0, 2], class_weights=True)  # nothing of class 1
    weights = torch.tensor([4 / 9, 0.0, 4 / 3])
    setting = make_setting(objective=weighted)
    loss = batch_loss(model, Train(model.everything), model.module, batch, setting)
    each = F.cross_entropy(model.module(batch.images), batch.labels, reduction="none")
    share = weights[batch.labels]
    torch.testing.assert_close(loss, (each * share).sum() / share.sum())


@pytest.mark.parametrize("asked", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixed_labels_are_shares_of_two_images_labels(tmp_path: Path, asked: dict[str, float]) -> None:
    torch.manual_seed(1)
    mix = mixing(make_protocol(**asked), make_objective(3))
    assert mix is not None
    images = make_images(tmp_path, 6)
    batch = images.batch(torch.arange(6))
    mixed = mix(Batch(batch.images.clone(), batch.labels))
    assert mixed.labels.shape == (6, 3)
    torch.testing.assert_close(mixed.labels.sum(1), torch.ones(6))
    assert not torch.equal(mixed.images, batch.images)
    own = mixed.labels[torch.arange(6), batch.labels].min().item()
    if asked == {"mixup": 0.4}:  # of one share for the whole batch, with the image before
        rolled = batch.images.roll(1, 0)
        torch.testing.assert_close(mixed.images, own * batch.images + (1 - own) * rolled)


def test_nothing_is_mixed_unless_asked_for() -> None:
    assert mixing(make_protocol(), make_objective(3)) is None


def test_the_average_replaces_the_weights(tmp_path: Path) -> None:
    """By hand: the first step's weights, then a mean whose decay rises from 2/11 to what was asked for."""
    plain, averaged = small(), small()
    seen: list[dict[str, torch.Tensor]] = []
    images, phase = (
        make_images(tmp_path, 12),
        Train(plain.everything, after_step=lambda m: seen.append(dict(m.snapshot()))),
    )
    setting = make_setting(learning_rate=0.05, order=torch.Generator().manual_seed(5))
    prepare_phase(plain, phase)
    train(plain, phase, 0, setting, Feed(images, plain.module))
    run(averaged, tmp_path, ema=0.3)
    for name in ("conv.weight", "norm.running_mean"):
        expected = seen[0][name]
        for step, now in enumerate(seen[1:], start=1):
            decay = min(0.3, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * now[name]
        torch.testing.assert_close(averaged.module.state_dict()[name], expected)
        assert not torch.equal(averaged.module.state_dict()[name], seen[-1][name])


def test_an_average_leaves_the_model_alone_until_it_is_put_in_place() -> None:
    model = small()
    before = copy.deepcopy(model.module.state_dict())
    averaged = Averaged(model.module, 0.9)
    averaged.step()
    with torch.no_grad():
        model.module.get_parameter("fc.bias").add_(1)
    averaged.put_in_place()
    assert all(torch.equal(each, before[name]) for name, each in model.module.state_dict().items())


def test_an_average_can_not_be_chosen_by_epoch() -> None:
    with pytest.raises(UserError, match="--ema"):
        make_request(ema=0.9, select="best")
