"""A large model filled from a small one of its family: which tensor from which, in what shape, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from builders import make_backbone
from conftest import Cli
from torch import nn

import tlbench
from tlbench.contracts import Backbone
from tlbench.contracts.model import TransferModel
from tlbench.testing.kit.tiny import Residual
from tlbench_growth.families import matched, spread, why_not
from tlbench_growth.resample import Method, fill, fitted, resampled
from tlbench_packaged.efficientnet_lite import efficientnet_lite
from tlbench_timm.backbone import timm_backbone

SIZE = 32


class OfAFamily(nn.Module):
    """A stem and two stages of residual blocks."""

    def __init__(self, width: int, depths: tuple[int, int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.first = nn.Sequential(*(Residual(width) for _ in range(depths[0])))
        self.second = nn.Sequential(*(Residual(width) for _ in range(depths[1])))
        self.fc = nn.Linear(width, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.second(self.first(self.stem(images))).mean((2, 3))
        logits: torch.Tensor = self.fc(features)
        return logits


def make_model(width: int, depths: tuple[int, int] = (2, 2)) -> TransferModel:
    """A model with statistics."""
    module = OfAFamily(width, depths)
    with torch.no_grad():
        module.train()(torch.randn(16, 3, SIZE, SIZE))
    backbone = make_backbone("fc")

    def blocks(_module: nn.Module) -> list[tlbench.Block]:
        stages = (("first", depths[0]), ("second", depths[1]))
        return [
            tlbench.Block(f"{name}.{place}", stage=stage)
            for stage, (name, depth) in enumerate(stages)
            for place in range(depth)
        ]

    return TransferModel(module, Backbone(backbone.build, head="fc", blocks=blocks))


@torch.no_grad()
def moved(large: TransferModel, small: TransferModel, method: Method = "nearest", identity: bool = False) -> float:
    """How far a filled model is from the small one."""
    fill(large, small, method, identity=identity)
    images = torch.randn(4, 3, SIZE, SIZE)
    wanted = small.module.eval()(images)
    return float((large.module.eval()(images) - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("size", [4, 5, 8, 11])
def test_interpolation_is_that_of_images(size: int) -> None:
    tensor = torch.randn(2, 4, 3)
    linear = F.interpolate(tensor.transpose(1, 2), size=size, mode="linear", align_corners=False).transpose(1, 2)
    torch.testing.assert_close(resampled(tensor, 1, size, "linear"), linear)
    nearest = F.interpolate(tensor.transpose(1, 2), size=size, mode="nearest-exact").transpose(1, 2)
    torch.testing.assert_close(resampled(tensor, 1, size, "nearest"), nearest)


def test_selecting_from_the_large_tensor_as_the_paper_does_gives_the_small_one_back() -> None:
    small = torch.randn(4, 6)
    large = fitted(small, torch.Size((12, 12)), "nearest", is_weight=False)
    assert torch.equal(large[::3, ::2], small)


def test_what_a_layer_gives_stays_as_large() -> None:
    weight, given = torch.randn(4, 3, 3, 3), torch.randn(1, 3, 8, 8)
    large = fitted(weight, torch.Size((8, 6, 3, 3)), "nearest", is_weight=True)
    made, wanted = F.conv2d(given.repeat_interleave(2, 1), large), F.conv2d(given, weight)
    torch.testing.assert_close(made, wanted.repeat_interleave(2, 1))


def test_the_first_block_stands_for_the_first_and_others_are_spread_evenly() -> None:
    assert spread(1, 4) == [0]
    assert spread(3, 1) == [0, 0, 0]
    assert spread(5, 3) == [0, 1, 1, 2, 2]
    assert spread(13, 13) == list(range(13))


@pytest.mark.parametrize("factor", [2, 3])
def test_a_model_of_whole_multiples_of_the_widths_computes_what_the_small_one_does(factor: int) -> None:
    torch.manual_seed(0)
    assert moved(make_model(8 * factor), make_model(8)) < 1e-5
    assert moved(make_model(8 * factor), make_model(8), "linear") > 1e-3
    assert moved(make_model(12), make_model(8)) > 1e-3


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_further_blocks_are_copies_or_leave_the_function_alone(method: Method) -> None:
    torch.manual_seed(0)
    assert moved(make_model(8, (5, 3)), make_model(8), method) > 1e-3
    assert moved(make_model(8, (5, 3)), make_model(8), method, identity=True) < 1e-5


def test_blocks_are_matched_stage_by_stage() -> None:
    found = matched(make_model(8, (4, 2)), make_model(4, (2, 2)))
    assert not found.missing
    assert found.repeated == ["first.1", "first.3"]
    assert found.names["stem.0.weight"] == "stem.0.weight"
    sources = {name: found.names[f"{name}.conv1.weight"] for name in ("first.0", "first.1", "first.2", "first.3")}
    assert list(sources.values()) == [f"first.{place}.conv1.weight" for place in (0, 0, 1, 1)]


@pytest.mark.parametrize(("large", "identity", "promised"), [(1, True, True), (1, False, False), (2, True, False)])
def test_real_weights_of_one_efficientnet_lite_fill_another(large: int, identity: bool, promised: bool) -> None:
    """Lite1 is deeper than Lite0, Lite2 wider, too: in the first case all of the function is kept."""
    torch.manual_seed(0)
    small, wide = (
        TransferModel(backbone.build(10, image_size=SIZE, pretrained=backbone is source), backbone)
        for source in [efficientnet_lite(0)]
        for backbone in (source, efficientnet_lite(large))
    )
    assert why_not(wide, small, "lite0") is None
    found = moved(wide, small, identity=identity)
    assert (found < 1e-5) is promised, found


@pytest.mark.parametrize("names", [("vit_tiny_patch16_224", "vit_small_patch16_224"), ("resnet18", "resnet34")])
def test_families_of_timm_are_matched_whole(names: tuple[str, str]) -> None:
    small, large = (
        TransferModel(backbone.build(5, image_size=SIZE, pretrained=False), backbone)
        for backbone in map(timm_backbone, names)
    )
    assert why_not(large, small, names[0]) is None
    found = matched(large, small)
    assert set(found.names) == set(large.module.state_dict())
    before = large.snapshot()
    fill(large, small, "linear", identity=False)
    kept = {
        name for name, each in large.module.state_dict().items() if each.ndim > 1 and torch.equal(each, before[name])
    }
    assert not kept


@pytest.mark.slow
def test_a_model_that_is_not_smaller_and_one_of_another_family_are_refused(cli_here: Cli, tmp_path: Path) -> None:
    def refusal(small: str, large: str) -> str:
        finished = cli_here(
            "run", "--backbones", large, "--strategies", f"weight-selection:small={small}", "--datasets", "digits",
            "--image-size", "32",
        )  # fmt: skip
        assert finished.status == 2
        assert not (tmp_path / "results").exists()
        return finished.stderr

    assert "name a smaller one of its family" in refusal("efficientnet_lite1", "efficientnet_lite0")
    assert "name a smaller one of its family" in refusal("efficientnet_lite0", "efficientnet_lite0")
    other = refusal("efficientnet_lite0", "resnet50")
    assert "efficientnet_lite0 is of another family: it has no counterpart of layer1" in other
    assert "needs its option small" in cli_here("run", "--strategies", "interpolate", "--datasets", "digits").stderr


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["weight-selection", "interpolate"])
def test_a_filled_model_is_trained_and_saved(
    tmp_path: Path, strategy: Literal["weight-selection", "interpolate"]
) -> None:
    wanted: dict[str, Any] = {"datasets": "digits:train=40:test=20", "image_size": 32, "epochs": 1, "batch_size": 20}
    results = tlbench.run(
        strategies=f"{strategy}:small=efficientnet_lite0:repeated=identity", backbones="efficientnet_lite1",
        results=tmp_path, save="all", progress=False, **wanted,
    )  # fmt: skip
    (record,) = results
    assert record.status == "ok", record.error
    (other,) = record.trial.cell.others
    assert (other.weights.kind, record.weights.kind) == ("pretrained", "random")
    assert record.notes["function_moved"] < 1e-5
    assert record.cost is not None and record.notes["small_parameters"] < record.cost.total_parameters
    assert len(tlbench.load_model(results.folder / "models" / record.trial.id).classes) == 10


def test_the_small_models_head_is_the_large_ones_start() -> None:
    torch.manual_seed(0)
    large, small = make_model(16), make_model(8)
    fill(large, small, "nearest", identity=False)
    head, own = large.linear_head, small.linear_head
    assert head is not None and own is not None
    torch.testing.assert_close(head.weight, own.weight.repeat_interleave(2, 1) / 2)
