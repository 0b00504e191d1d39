"""Models cut in two: the pieces give the whole, the prefix is what is frozen, and what can't be cut says why."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import NotCuttable, cut
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of(load_plugins())


def model_of(registry: Registry, name: str, size: int) -> TransferModel:
    torch.manual_seed(0)
    backbone = registry.backbones.resolve(name).load()
    model = TransferModel(backbone.build(5, image_size=size, pretrained=False), backbone)
    model.reset_head()
    return model


@pytest.mark.parametrize("last_blocks", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("packaged/efficientnet_lite0", 32),  # its convolutions pad by the size they see: they stay whole
        ("small_cnn", 16),
        ("torchvision/resnet18", 32),
        ("torchvision/vgg11", 32),
        ("torchvision/mobilenet_v3_small", 32),
        ("torchvision/convnext_tiny", 32),
        ("timm/vit_tiny_patch16_224", 32),
        ("timm/mobilevit_xxs", 64),
    ],
)
def test_the_pieces_are_the_whole_and_share_its_tensors(
    registry: Registry, name: str, size: int, last_blocks: int
) -> None:
    model = model_of(registry, name, size)
    part = model.head
    for block in model.blocks[len(model.blocks) - last_blocks :]:
        part = part | block
    model.train_only(part)
    images = torch.randn(3, 3, size, size)
    pieces = cut(model.module, images)
    trained = {id(parameter) for parameter in model.trainable()}
    assert trained <= {id(parameter) for parameter in pieces.suffix.parameters()}
    assert not trained & {id(parameter) for parameter in pieces.prefix.parameters()}
    with torch.no_grad():
        features = pieces.prefix(images)
        for _ in range(2):
            torch.manual_seed(1)  # for dropout and stochastic depth behind the cut
            expected = model.module(images)
            torch.manual_seed(1)
            torch.testing.assert_close(pieces.suffix(features), expected, rtol=1e-3, atol=1e-4)
            for parameter in model.trainable():  # the pieces see what training does to the model
                parameter.add_(0.01)


class TwoPaths(nn.Module):
    """Two frozen branches that meet in the head, or a first block that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head = nn.Bilinear(4, 4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.left(inputs), self.right(inputs))
        return logits


class Moody(nn.Module):
    """What it does depends on what it sees: no trace holds for all inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.body(inputs)
        if features.sum() > 0:
            features = -features
        logits: torch.Tensor = self.head(features)
        return logits


def frozen_but_for(module: nn.Module, trained: nn.Module) -> nn.Module:
    module.eval().requires_grad_(False)
    trained.train().requires_grad_(True)
    return module


@pytest.mark.parametrize(
    ("module", "trained", "said"),
    [
        (TwoPaths(), "head", "2 tensors lead from its frozen part"),
        (Moody(), "head", "its code can't be traced"),
        (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "0", "nothing is frozen before"),
        (nn.Sequential(nn.Dropout(), nn.Linear(4, 4), nn.Linear(4, 2)), "0", "tensors lead|nothing is frozen"),
    ],
)
def test_what_can_not_be_cut_says_why(module: nn.Module, trained: str, said: str) -> None:
    with pytest.raises(NotCuttable, match=said):
        cut(frozen_but_for(module, module.get_submodule(trained)), torch.randn(3, 4))


def test_batchnorm_in_train_mode_is_no_part_of_the_prefix() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    frozen_but_for(module, module[2])
    module[1].train()
    before = module[1].running_mean.clone()  # type: ignore[union-attr, operator]
    pieces = cut(module, torch.randn(8, 4))
    assert {name for name, _ in pieces.prefix.named_parameters()} == {"model.0.weight", "model.0.bias"}
    assert torch.equal(module[1].running_mean, before)  # type: ignore[arg-type]


class Noisy(nn.Module):
    """Adds noise to what it sees, in whatever mode it is."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + torch.randn_like(inputs)


class SameNoise(nn.Module):
    """Adds the same noise to all examples: it asks for numbers of a fixed shape, which a trace would keep."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + torch.randn(4)


class Dropping(nn.Module):
    """Drops features by a function, as some of timm's models do."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(F.dropout(self.body(inputs), 0.5, self.training))
        return logits


class Skipping(nn.Module):
    """Skips a layer by a number that Python draws."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        inputs = self.body(inputs) * random.random()
        logits: torch.Tensor = self.head(inputs)
        return logits


def before_a_head(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), layer, nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("module", "head", "computed_in_each_step"),
    [
        (Dropping(), "head", "dropout"),
        (before_a_head(Noisy()), "2", "randn_like"),
        (before_a_head(SameNoise()), "2", "model_1"),
        (before_a_head(nn.FractionalMaxPool2d((2, 1), output_size=(4, 4))), "2", "model_1"),
    ],
)
def test_what_is_random_is_computed_in_each_step(module: nn.Module, head: str, computed_in_each_step: str) -> None:
    frozen_but_for(module, module.get_submodule(head))
    module.training = True  # as the container of what is trained
    images = torch.randn(4, 3, 9, 4)
    pieces = cut(module, images)
    assert computed_in_each_step in [node.name for node in pieces.suffix.graph.nodes]
    torch.manual_seed(0)
    features = pieces.prefix(images)
    torch.manual_seed(1)
    assert torch.equal(features, pieces.prefix(images))


def test_numbers_that_python_draws_can_not_be_kept() -> None:
    module = Skipping()
    with pytest.raises(NotCuttable, match="draws random numbers outside of PyTorch"):
        cut(frozen_but_for(module, module.head), torch.randn(4, 4))


def test_dropout_that_is_off_is_no_reason_to_compute_again() -> None:
    module = Dropping()
    frozen_but_for(module, module.head)
    module.training = False
    assert [node.op for node in cut(module, torch.randn(4, 4)).suffix.graph.nodes][1:-1] == ["call_module"]


@pytest.mark.parametrize("name", ["timm/ghostnet_050", "timm/repghostnet_050", "timm/legacy_seresnet18"])
def test_timms_functional_dropout_is_behind_the_cut(registry: Registry, name: str) -> None:
    model = model_of(registry, name, 32)
    model.train_only(model.head)
    model.module.drop_rate = 0.5
    images = torch.randn(4, 3, 32, 32)
    pieces = cut(model.module, images, after=model.head_paths)
    with torch.no_grad():
        one, other = pieces.suffix(pieces.prefix(images)), pieces.suffix(pieces.prefix(images))
        model.module.eval()
        torch.testing.assert_close(pieces.prefix(images), cut_at_head(model, images), rtol=1e-4, atol=1e-4)
    assert not torch.equal(one, other)


def test_what_a_model_keeps_from_its_last_pass_does_not_meet_the_trace(registry: Registry) -> None:
    model = model_of(registry, "timm/efficientformerv2_s0", 64)
    model.train_only(model.head)
    kept = [part.attention_bias_cache for part in model.module.modules() if hasattr(part, "attention_bias_cache")]
    pieces = cut(model.module, torch.randn(4, 3, 64, 64), after=model.head_paths)
    assert pieces.at == "model_head_drop"
    assert kept and not any(isinstance(value, fx.Proxy) for cache in kept for value in cache.values())


def cut_at_head(model: TransferModel, images: torch.Tensor) -> torch.Tensor:
    """What the head of a model in eval mode is given."""
    with model.watched((), head_input=True) as seen:
        model.module(images)
    return next(iter(seen.values()))


def test_the_sweep_over_architectures_has_found_features_equal_to_the_models() -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "results" / "cuts.json"
    rows = json.loads(file.read_text("utf-8"))["rows"]
    made = [row for row in rows if "refused" not in row]
    assert len(made) >= 60
    assert {row["architecture"] for row in made} >= {"ghostnet_050", "repghostnet_050", "legacy_seresnet18"}
    assert all(row["features_of_two_seeds_are_equal"] for row in made)
    assert max(row["relative_difference"] for row in made) <= 1e-4
