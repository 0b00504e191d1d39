"""Which tensors a partial strategy trains, and at which rates over time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_images, make_protocol, make_setting
from timm.optim import param_groups_layer_decay
from torch import nn

from tlbench import Strategy, Train
from tlbench.contracts.model import TransferModel
from tlbench.engine import loop
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.engine.recipe import rate_factor
from tlbench.errors import UserError
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_packaged.small_cnn import small_cnn
from tlbench_strategies import partial
from tlbench_strategies.rates import FULL, HEAD, head_factor

CPU = torch.device("cpu")
PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"


def small() -> TransferModel:
    torch.manual_seed(0)
    backbone = small_cnn()
    return TransferModel(backbone.build(3, image_size=8, pretrained=False), backbone)


def phases_of(strategy: Strategy, model: TransferModel, **options: Any) -> list[Train]:
    phases = list(strategy.phases(model, strategy.options(**options)))
    assert all(isinstance(phase, Train) for phase in phases)
    return phases  # type: ignore[return-value]


@pytest.fixture(
    scope="module", params=["torchvision/resnet18", "timm/vit_tiny_patch16_224", "packaged/efficientnet_lite0"]
)
def model(request: pytest.FixtureRequest) -> TransferModel:
    """A CNN of torchvision, a transformer of timm, a CNN of a package: names and shapes without the memory."""
    return made(request.param)


def made(name: str) -> TransferModel:
    backbone = Registry.of(load_plugins()).backbones.resolve(name).load()
    with torch.device("meta"):
        return TransferModel(backbone.build(3, image_size=224, pretrained=False), backbone)


def trained(model: TransferModel, phase: Train) -> set[str]:
    prepare_phase(model, phase)
    return {name for name, each in model.module.named_parameters() if each.requires_grad}


def test_last_k_of_none_is_the_head_and_of_all_is_everything(model: TransferModel) -> None:
    everything = {name for name, _ in model.module.named_parameters()}
    head = {name for name, _ in model.parameters(model.head)}
    by_k = [trained(model, *phases_of(partial.last_k, model, k=k)) for k in range(len(model.blocks) + 1)]
    assert by_k[0] == head
    assert by_k[-1] == everything
    for less, more, block in zip(by_k, by_k[1:-1], reversed(model.blocks), strict=False):
        assert more - less == {name for name, _ in model.parameters(block)}


def test_bitfit_trains_biases_and_the_head_and_no_statistic_moves(model: TransferModel) -> None:
    names = trained(model, *phases_of(partial.bitfit, model))
    head = {name for name, _ in model.parameters(model.head)}
    assert names - head == {name for name, _ in model.module.named_parameters() if name.endswith("bias")} - head
    assert not any(each.training for each in model.module.modules() if isinstance(each, nn.BatchNorm2d))


def test_norm_tuning_trains_norms_and_the_head(model: TransferModel) -> None:
    names = trained(model, *phases_of(partial.norm_tuning, model))
    layers = {name.rpartition(".")[0] for name in names} - model.head.paths
    kinds = {type(model.module.get_submodule(layer)) for layer in layers}
    assert all(issubclass(kind, nn.BatchNorm2d | nn.LayerNorm) for kind in kinds)
    count = sum(isinstance(each, nn.BatchNorm2d | nn.LayerNorm) for each in model.module.modules())
    assert len(layers) == count > 5


def test_surgical_trains_one_stage(model: TransferModel) -> None:
    head = {name for name, _ in model.parameters(model.head)}
    for place in (0, 3, -1):
        names = trained(model, *phases_of(partial.surgical, model, block=place))
        assert names - head == {name for name, _ in model.parameters(model.stages[place])}
    with pytest.raises(UserError, match="there is no block 99; the model has"):
        phases_of(partial.surgical, model, block=99)


def test_surgical_counts_the_four_stages_of_a_resnet_as_the_paper_does() -> None:
    model = made("torchvision/resnet18")
    by_block = [trained(model, *phases_of(partial.surgical, model, block=place)) for place in range(4)]
    assert [{name.partition(".")[0] for name in names} for names in by_block] == [
        {"conv1", "bn1", "layer1", "fc"},
        {"layer2", "fc"},
        {"layer3", "fc"},
        {"layer4", "fc"},
    ]


def test_gradual_unfreezing_goes_stage_by_stage() -> None:
    model = made("torchvision/resnet18")
    phases = phases_of(partial.gradual_unfreeze, model)
    before: set[str] = set()
    for phase, more in zip(phases, ("fc", "layer4", "layer3", "layer2", "layer1"), strict=True):
        names = trained(model, phase)
        assert {name.partition(".")[0] for name in names - before} - {"conv1", "bn1"} == {more}
        before = names
    assert before == {name for name, _ in model.module.named_parameters()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm/vit_tiny_patch16_224", {"blocks.11", "norm", "head"}),
        ("torchvision/vit_b_16", {"encoder.layers.encoder_layer_11", "encoder.ln", "heads.head"}),
        ("packaged/efficientnet_lite0", {"blocks.6.0", "conv_head", "bn2", "classifier"}),
        ("torchvision/swin_t", {"features.7.1", "norm", "head"}),
        ("torchvision/densenet121", {"features.denseblock4.denselayer16", "features.norm5", "classifier"}),
    ],
)
def test_last_k_of_one_trains_the_last_block_with_what_follows_it(name: str, expected: set[str]) -> None:
    model = made(name)
    wanted = {each for each, _ in model.parameters(model.below(sorted(expected)))}
    assert trained(model, *phases_of(partial.last_k, model, k=1)) == wanted
    assert {path for path in expected if not any(each.startswith(f"{path}.") for each in wanted)} == set()


@pytest.mark.parametrize(
    "name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224", "efficientnet_b0", "swin_tiny_patch4_window7_224"]
)
def test_layer_decays_factors_are_those_of_timm_but_that_the_neck_is_beside_the_head(name: str) -> None:
    model = made(f"timm/{name}")
    theirs = {
        id(each): group["lr_scale"]
        for group in param_groups_layer_decay(model.module, layer_decay=0.7)
        for each in group["params"]
    }
    (phase,) = phases_of(partial.layer_decay, model, decay=0.7)
    neck = {each for each, _ in model.parameters(model.neck)}
    for each, parameter in model.module.named_parameters():
        factor = next(factor for part, factor in phase.rates if part.holds(each))
        assert factor == pytest.approx(1.0 if each in neck else theirs[id(parameter)]), each


def test_layer_decay_of_a_vit_is_that_of_beit() -> None:
    model = made("timm/vit_tiny_patch16_224")
    (phase,) = phases_of(partial.layer_decay, model, decay=0.65)
    for name, _ in model.module.named_parameters():
        factor = next(factor for part, factor in phase.rates if part.holds(name))
        assert factor == pytest.approx(0.65 ** (13 - beit_layer(name))), name


def beit_layer(name: str) -> int:
    """get_num_layer_for_vit of BEiT's optim_factory.py, for 12 blocks."""
    if name in ("cls_token", "mask_token", "pos_embed") or name.startswith("patch_embed"):
        return 0
    return int(name.split(".")[1]) + 1 if name.startswith("blocks") else 13


def test_lp_ft_probes_as_freeze_does_and_then_trains_everything(model: TransferModel) -> None:
    probe, tune = phases_of(partial.lp_ft, model)
    assert probe == Train(model.head, epochs=0.5, lr=head_factor(model))
    assert head_factor(model) == HEAD["adamw"] / FULL["adamw"][model.family]
    model.optimizer = "sgd"
    assert next(iter(phases_of(partial.lp_ft, model))).lr == HEAD["sgd"] / FULL["sgd"][model.family]
    assert tune == Train(model.everything, epochs=0.5)


def table() -> dict[str, tuple[float, int]]:
    """From the documentation: each part's factor under layer-decay, and the phase in which it is first trained."""
    rows = re.findall(r"^\| (block\d|hidden|head) \| ([\d.]+) \| (\d) to 5 \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: (float(factor), int(first)) for name, factor, first in rows}


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, float]]:
    """The rate of every tensor, by its identity, at each step."""
    seen: list[dict[int, float]] = []
    set_rates = loop.set_rates

    def note(optimizer: torch.optim.Optimizer, factor: float) -> None:
        set_rates(optimizer, factor)
        seen.append({id(each): group["lr"] for group in optimizer.param_groups for each in group["params"]})

    monkeypatch.setattr(loop, "set_rates", note)
    return seen


def run(model: TransferModel, phases: list[Train], folder: Path) -> None:
    images = make_images(folder, 16)
    setting = make_setting(make_protocol(epochs=5), learning_rate=0.01, order=torch.Generator().manual_seed(0))
    for number, phase in enumerate(phases):
        prepare_phase(model, phase)
        train(model, phase, number, setting, Feed(images, model.module))


def parts(model: TransferModel) -> dict[str, list[int]]:
    names = [*zip(model.block_paths, model.blocks, strict=True), ("head", model.head)]
    return {name: [id(each) for _, each in model.parameters(part)] for name, part in names}


def test_layer_decays_rates_are_those_of_the_documentation(rates: list[dict[int, float]], tmp_path: Path) -> None:
    model = small()
    run(model, phases_of(partial.layer_decay, model), tmp_path)
    assert len(rates) == 20
    assert len(table()) == 5
    for step, at_step in enumerate(rates):
        for name, tensors in parts(model).items():
            expected = 0.01 * table()[name][0] * rate_factor(step, 20, make_protocol())
            assert [at_step[each] for each in tensors] == pytest.approx([expected] * len(tensors), rel=1e-3)


def test_gradual_unfreezings_rates_are_those_documented(rates: list[dict[int, float]], tmp_path: Path) -> None:
    model = small()
    run(model, phases_of(partial.gradual_unfreeze, model), tmp_path)
    assert len(rates) == 20  # five phases of an epoch
    for step, at_step in enumerate(rates):
        for name, tensors in parts(model).items():
            unfrozen = step // 4 + 1 >= table()[name][1]
            expected = 0.01 * rate_factor(step % 4, 4, make_protocol()) if unfrozen else None
            assert {at_step.get(each) for each in tensors} == {expected}
