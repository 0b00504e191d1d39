"""Net2Net against its definition: a wider or deeper model computes what it did, and its copies learn to differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_backbone
from conftest import Cli
from torch import nn
from torchvision.models import densenet121, mobilenet_v2, resnet18
from torchvision.models.vgg import VGG, make_layers, vgg11_bn

import tlbench
from tlbench.contracts import Backbone
from tlbench.contracts.model import TransferModel
from tlbench_growth import deeper, wider
from tlbench_growth.channels import channels_of
from tlbench_growth.net2net import Deeper, Wider, net2deeper, net2wider
from tlbench_packaged.efficientnet_lite import efficientnet_lite
from tlbench_packaged.small_cnn import small_cnn
from tlbench_timm.backbone import timm_backbone
from tlbench_torchvision.blocks import torchvision_blocks

SIZE, CLASSES = 32, 3
BOUND = 1e-5
"""Of the outputs' largest difference, relative to the largest output."""


def small_vgg(batch_norm: bool) -> nn.Module:
    """VGG's own class and layers with few channels: the classifier of vgg11 alone has 100 million weights."""
    module = VGG(make_layers([8, "M", 16, 16, "M", 24, "M"], batch_norm), num_classes=CLASSES)
    hidden = [nn.Linear(24 * 49, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 20), nn.ReLU(True), nn.Dropout()]
    module.classifier = nn.Sequential(*hidden, nn.Linear(20, CLASSES))
    return module


def of_torchvision(module: nn.Module, head: str) -> TransferModel:
    backbone = make_backbone(head)
    return TransferModel(
        module, Backbone(backbone.build, head=head, blocks=lambda module: torchvision_blocks(head, module))
    )


def make_model(name: str) -> TransferModel:
    """A model whose BatchNorms have statistics, factors and offsets of their own."""
    torch.manual_seed(0)
    if name == "small_cnn":
        return TransferModel(small_cnn().build(CLASSES, image_size=SIZE, pretrained=False), small_cnn())
    if name in ("vit_tiny", "efficientnet_lite0"):
        vit = name == "vit_tiny"
        backbone = timm_backbone("vit_tiny_patch16_224") if vit else efficientnet_lite(0)
        return TransferModel(backbone.build(CLASSES, image_size=SIZE, pretrained=not vit), backbone)
    if name in ("vgg", "vgg_bn"):
        model = of_torchvision(small_vgg(name == "vgg_bn"), "classifier.6")
    else:
        make, head = {
            "resnet18": (resnet18, "fc"),
            "mobilenet_v2": (mobilenet_v2, "classifier.1"),
            "vgg11_bn": (vgg11_bn, "classifier.6"),
        }[name]
        model = of_torchvision(make(num_classes=CLASSES), head)
    norms = [each for each in model.module.modules() if isinstance(each, nn.BatchNorm2d)]
    with torch.no_grad():
        for each in norms:
            each.momentum = None  # the mean of all batches
            each.weight.uniform_(0.5, 1.5)
            each.bias.normal_(0, 0.1)
        for _ in range(2 if norms else 0):
            model.module.train()(images(64))
    return model


def images(number: int = 8, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(number, 3, SIZE, SIZE, dtype=dtype)


def widened(model: TransferModel, **changes: Any) -> TransferModel:
    options = Wider(**changes)
    wider.widen(model, options.factor, trunk=options.trunk, split=options.split, noise=options.noise)
    return model


def deepened(model: TransferModel, blocks: int = 1) -> TransferModel:
    """Deeper, with the statistics of some images."""
    batches = [tlbench.Batch(images(32, next(model.module.parameters()).dtype), None)]
    deeper.deepen(model, blocks, deeper.statistics(model, batches, deeper.places(model)))
    return model


def difference(before: torch.Tensor, after: torch.Tensor) -> float:
    assert before.abs().max() > 0
    return float((after - before).abs().max() / before.abs().max())


@torch.no_grad()
def moved(model: TransferModel, grow: Any, training: bool = False) -> float:
    """How far a model's outputs move where it is grown; more parameters are there in the end."""
    given = images(dtype=next(model.module.parameters()).dtype)
    small = sum(each.numel() for each in model.module.parameters())
    before = model.copy().module.train(training)(given)
    grown = grow(model)
    assert sum(each.numel() for each in grown.module.parameters()) > small
    return difference(before, grown.module.train(training)(given))


GROWTHS = {
    "wider by a fraction": lambda model: widened(model, factor=1.3),
    "wider, the trunk too, shared evenly": lambda model: widened(model, trunk=True, split="even"),
    "deeper by two": lambda model: deepened(model, 2),
    "deeper and wider": lambda model: widened(deepened(model), trunk=True),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.parametrize(
    "name", ["small_cnn", "vgg", "vgg_bn", "resnet18", "mobilenet_v2", "efficientnet_lite0", "vit_tiny"]
)
def test_what_has_grown_computes_what_it_did(name: str, growth: str, dtype: torch.dtype) -> None:
    model = make_model(name)
    model.module.to(dtype)
    rounding = 10 * BOUND if name == "mobilenet_v2" else BOUND  # its 52 layers, untrained, make it larger
    assert moved(model, GROWTHS[growth]) < (rounding if dtype == torch.float32 else 1e-12)


@pytest.mark.slow
def test_the_real_vgg11_with_batchnorm_computes_what_it_did() -> None:
    assert moved(make_model("vgg11_bn"), lambda model: widened(model, factor=1.05)) < BOUND
    assert moved(make_model("vgg11_bn"), deepened) < BOUND


@pytest.mark.parametrize(
    ("name", "growth"),
    [("resnet18", "wider by a fraction"), ("resnet18", "deeper and wider"), ("mobilenet_v2", "deeper by two")],
)
def test_in_training_mode_too_where_batches_have_their_own_statistics(name: str, growth: str) -> None:
    model = make_model(name)
    for each in model.module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    assert moved(model, GROWTHS[growth], training=True) < 1e-4


def test_a_batchnorm_put_into_a_chain_keeps_training_mode_but_for_the_batchs_own_statistics() -> None:
    """With statistics of what flows in, a large batch moves it by less than a layer that starts at mean 0 does."""

    def without_statistics(model: TransferModel) -> TransferModel:
        deeper.deepen(model, 1, {})
        return model

    def in_training(grow: Any) -> float:
        model = make_model("vgg_bn")
        for each in model.module.modules():
            if isinstance(each, nn.Dropout):
                each.p = 0.0
        return moved(model, grow, training=True)

    assert moved(make_model("vgg_bn"), without_statistics) < BOUND
    assert BOUND < in_training(deepened) < 0.5 * in_training(without_statistics)


def test_a_hidden_layer_is_widened_as_the_papers_equations_say() -> None:
    """U's columns are U[g(j)], W's rows W[g(j)] / |{x : g(x) = g(j)}|."""
    torch.manual_seed(0)
    first, second = nn.Linear(4, 3), nn.Linear(3, 2)
    module = nn.Sequential(first, nn.ReLU(), second)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    model = TransferModel(module, make_backbone("2"))
    widened(model, factor=7 / 3, split="even")
    assert (first.out_features, second.in_features, second.out_features) == (7, 7, 2)
    chosen = [int((before["0.weight"] == row).all(1).nonzero()) for row in first.weight]
    assert chosen[:3] == [0, 1, 2] and set(chosen[3:]) <= {0, 1, 2}
    counts = Counter(chosen)
    for place, original in enumerate(chosen):
        assert first.bias[place] == before["0.bias"][original]
        torch.testing.assert_close(second.weight[:, place], before["2.weight"][:, original] / counts[original])


def test_shares_of_copies_are_drawn_for_each_output_and_sum_up_to_one() -> None:
    copied = torch.tensor([0, 1, 2, 0, 0, 2])
    drawn = wider.shares(copied, 3, 5, "random")
    assert drawn.shape == (5, 6) and (drawn > 0.1).all()
    for original in range(3):
        torch.testing.assert_close(drawn[:, copied == original].sum(1), torch.ones(5, dtype=torch.float64))
    assert drawn[:, 0].unique().numel() == 5


@pytest.mark.parametrize(("split", "differ"), [("random", True), ("even", False)])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_copies_learn_to_differ_where_their_shares_do(split: str, differ: bool, optimizer: Any) -> None:
    """AdamW takes no notice of a gradient's size, so that one share for a whole unit would not do."""
    model = widened(make_model("small_cnn"), split=split)
    bias = model.module.get_parameter("block2.0.bias")
    copies: dict[float, list[int]] = {}
    for place, value in enumerate(bias.tolist()):
        copies.setdefault(value, []).append(place)
    pairs = [places[:2] for places in copies.values() if len(places) > 1]
    assert pairs
    steps = optimizer(model.module.parameters(), lr=0.1)
    for _ in range(3):
        steps.zero_grad()
        nn.functional.cross_entropy(model.module(images()), torch.arange(8) % CLASSES).backward()
        steps.step()
    apart = max(abs(float(bias[one].detach() - bias[two].detach())) for one, two in pairs)
    assert (apart > 1e-5) is differ, apart


def test_noise_moves_the_function_a_little() -> None:
    assert 1e-4 < moved(make_model("small_cnn"), lambda model: widened(model, noise=0.05)) < 0.5


def test_a_residual_network_is_widened_inside_of_its_blocks_or_everywhere() -> None:
    def widths(**changes: Any) -> list[int]:
        module: Any = widened(make_model("resnet18"), **changes).module
        block = module.layer2[0]
        return [module.conv1.out_channels, block.conv1.out_channels, block.conv2.out_channels, module.fc.in_features]

    assert widths() == [64, 256, 128, 512]
    assert widths(trunk=True) == [128, 256, 256, 1024]


def test_depthwise_convolutions_grow_with_the_channels_between_which_they_are() -> None:
    block: Any = widened(make_model("mobilenet_v2")).module.get_submodule("features.2.conv")
    assert (block[0][0].out_channels, block[1][0].groups, block[2].in_channels, block[2].out_channels) == (
        192,
        192,
        192,
        24,
    )


def test_a_transformers_mlps_are_widened_and_its_blocks_repeated() -> None:
    module: Any = deepened(widened(make_model("vit_tiny"))).module
    assert (module.embed_dim, module.blocks[0].mlp.fc1.out_features, module.blocks[0].attn.qkv.out_features) == (
        192,
        1536,
        576,
    )
    assert len(module.blocks) == 24


def test_layers_are_put_behind_each_stages_last_relu_and_names_stay() -> None:
    model = make_model("vgg_bn")
    before, blocks = set(model.module.state_dict()), model.block_paths
    assert [place.path for place in deeper.places(model)] == ["features.2", "features.9", "features.13", "classifier.4"]
    deepened(model)
    stage: Any = model.module.get_submodule("features.9")
    assert [type(each).__name__ for each in stage] == ["ReLU", "Conv2d", "BatchNorm2d", "ReLU"]
    assert before < set(model.module.state_dict())
    assert model.block_paths == blocks
    assert all(
        any(part.holds(name) for part in model.blocks)
        for name in model.module.state_dict()
        if "classifier.6" not in name
    )


def test_blocks_follow_each_stages_last_one_and_are_blocks_of_the_model() -> None:
    model = make_model("resnet18")
    before, stages = set(model.module.state_dict()), len(model.stages)
    deepened(model, 2)
    names = [name for name, _ in model.module.get_submodule("layer2").named_children()]
    assert names == ["0", "1", "1_1", "1_2"]
    assert before < set(model.module.state_dict())
    assert [path for path in model.block_paths if path.startswith("layer2")] == [f"layer2.{name}" for name in names]
    assert len(model.stages) == stages
    body = [name for name in model.module.state_dict() if not name.startswith("fc")]
    assert [sum(part.holds(name) for part in model.blocks) for name in body] == [1] * len(body)
    assert model.layout[-1].name == "layer4.1_2"


def test_what_can_not_grow_is_told_by_its_layers() -> None:
    assert net2deeper.serves is not None and net2wider.serves is not None
    smooth = TransferModel(nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2)), make_backbone("2"))
    assert net2deeper.serves(smooth, Deeper()) == (
        "it has no block that adds to what it is given, and no ReLU of its own behind a convolution or linear layer; "
        "its blocks are GELU"
    )
    line = TransferModel(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), make_backbone("1"))
    assert net2wider.serves(line, Wider()) == (
        "it has no channels that copies can be made of: those of 1 are the model's outputs"
    )


def test_channels_of_what_is_concatenated_are_left_alone() -> None:
    densely = densenet121(num_classes=CLASSES)
    free = [each for each in channels_of(densely) if not each.fixed]
    assert {path.rpartition(".")[2] for each in free for path in each.producers} == {"conv1"}
    assert {path.rpartition(".")[2] for each in free for path in each.keepers} == {"norm2"}


def test_a_layer_that_is_called_twice_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.fc = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.fc(self.inner(self.inner(given).relu()).relu())
            return logits

    assert "pass inner more than once" in str(wider.why_not(TransferModel(Twice(), make_backbone("fc")), False))


@pytest.mark.parametrize("asked", ["net2wider:factor=0.5", "net2wider:factor=1", "net2deeper:blocks=0"])
def test_a_smaller_model_is_refused_before_anything_runs(cli_here: Cli, tmp_path: Path, asked: str) -> None:
    finished = cli_here("run", "--strategies", asked, "--backbones", "small_cnn", "--datasets", "digits")
    assert finished.status == 2
    name, _, value = asked.partition(":")[2].partition("=")
    assert f"option {name} of strategy growth/" in finished.stderr and repr(value) in finished.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_saved_model_grows_is_saved_and_grows_again(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "datasets": "digits:train=60:test=40", "image_size": 16, "epochs": 2, "batch_size": 20, "save": "all",
        "results": tmp_path, "progress": False,
    }  # fmt: skip
    first = tlbench.run(
        strategies=["net2wider", "net2deeper", "net2wider:start=random"], backbones="small_cnn", **wanted
    )
    assert [record.status for record in first] == ["ok"] * 3
    small = sum(each.numel() for each in small_cnn().build(10, image_size=16, pretrained=False).parameters())
    for record in first:
        assert (
            record.cost is not None and record.cost.total_parameters > small and record.cost.passes == pytest.approx(1)
        )
        if "random" not in record.trial.cell.strategy:
            assert record.notes["function_moved"] < BOUND and record.notes["small_parameters"] == small
    folder = first.folder / "models" / next(iter(first)).trial.id
    again = tlbench.run(strategies=["net2wider:before=0", "net2deeper:before=0"], backbones=f"saved:{folder}", **wanted)
    for record in again:
        assert record.status == "ok", record.error
        assert record.notes["function_moved"] < BOUND
        model = tlbench.load_model(again.folder / "models" / record.trial.id)
        assert sum(each.numel() for each in model.module.parameters()) > small
