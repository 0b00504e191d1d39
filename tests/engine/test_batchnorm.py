"""Whose statistics move, by what rule, and how they are estimated again after weights were averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import accuracy, make_backbone, make_protocol
from torch import nn

import tlbench
from tlbench.contracts import BatchNormPolicy
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.engine.batchnorm import reestimate, settle

FASHION = Path("/usr/share/datasets/fashion-mnist")


class Normed(nn.Module):
    """A convolution, a BatchNorm that has seen images, one that has not, and a head."""

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.seen, self.new = nn.BatchNorm2d(4, momentum=momentum), nn.BatchNorm2d(4, momentum=momentum)
        assert self.seen.running_mean is not None
        self.seen.running_mean.fill_(0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.new(self.seen(self.conv(images))).relu().mean((2, 3)))
        return logits


def prepared(momentum: float = 0.1) -> TransferModel:
    torch.manual_seed(0)
    model = TransferModel(Normed(momentum), make_backbone("head"))
    model.train_only(model.everything)
    return model


@pytest.mark.parametrize(
    ("policy", "batch_size", "steps", "momentum", "pretrained", "statistics"),
    [
        ("auto", 32, 999, 0.1, True, "frozen"),  # a hundred time constants are 1,000 steps
        ("auto", 32, 1000, 0.1, True, "train"),
        ("auto", 32, 9999, 0.01, True, "frozen"),
        ("auto", 32, 10_000, 0.01, True, "train"),
        ("auto", 8, 99_999, 0.1, True, "frozen"),  # small batches
        ("auto", 8, 10, 0.1, False, "train"),  # nothing to keep
        ("train", 8, 10, 0.1, True, "train"),
        ("frozen", 32, 9999, 0.1, True, "frozen"),
    ],
)
def test_the_rule(policy: str, batch_size: int, steps: int, momentum: float, pretrained: bool, statistics: str) -> None:
    model = prepared(momentum)
    found = settle(model, make_protocol(batchnorm=policy, batch_size=batch_size), steps, pretrained, "auto")
    assert found is not None and found.statistics == statistics
    assert model.module.get_submodule("seen").training is (statistics == "train")
    assert model.module.get_submodule("new").training  # it has no statistics yet
    assert all(parameter.requires_grad for parameter in model.module.parameters())


@pytest.mark.parametrize(
    ("default", "policy", "statistics"), [("train", "auto", "train"), ("train", "frozen", "frozen")]
)
def test_a_strategys_own_default_holds_where_the_request_leaves_it_open(
    default: BatchNormPolicy, policy: str, statistics: str
) -> None:
    model = prepared()
    found = settle(model, make_protocol(batchnorm=policy, batch_size=32), 10, True, default)
    assert found is not None and found.statistics == statistics


def test_a_phase_that_trains_no_batchnorm_has_none_to_settle() -> None:
    model = prepared()
    model.train_only(model.head)
    assert settle(model, make_protocol(batchnorm="train"), 10, True, "auto") is None
    assert not model.module.get_submodule("seen").training


def test_estimated_statistics_are_those_of_the_images() -> None:
    model = prepared()
    model.module.eval()
    images = torch.randn(12, 3, 8, 8)
    reestimate(model, [Batch(part, torch.zeros(4)) for part in images.split(4)])  # type: ignore[no-untyped-call]
    seen = model.module.get_submodule("seen")
    with torch.no_grad():
        given = model.module.get_submodule("conv")(images)
    assert isinstance(seen, nn.BatchNorm2d) and seen.running_mean is not None and seen.running_var is not None
    torch.testing.assert_close(seen.running_mean, given.mean((0, 2, 3)), rtol=1e-5, atol=1e-5)
    means = [part.var((0, 2, 3)) for part in given.split(4)]
    torch.testing.assert_close(seen.running_var, torch.stack(means).mean(0), rtol=1e-5, atol=1e-5)
    assert seen.momentum == 0.1 and not seen.training


def test_only_what_differs_is_mixed_by_averaging() -> None:
    model = prepared()
    before = model.snapshot()
    with torch.no_grad():
        model.module.get_parameter("conv.weight").add_(1.0)
    model.interpolate(before, 0.5)
    model.average([before, model.snapshot()])
    assert not model.statistics_mixed  # frozen statistics are the same in both
    model.module(torch.randn(4, 3, 8, 8))
    for alpha, mixed in ((0.0, False), (1.0, False), (0.5, True)):
        moved = model.snapshot()
        model.statistics_mixed = False
        model.interpolate(before, alpha)
        assert model.statistics_mixed is mixed, alpha
        model.restore(moved)
    model.statistics_mixed = False
    model.average([before, moved])
    assert model.statistics_mixed


def run(tmp_path: Path, *strategies: str, **options: Any) -> dict[str, tlbench.Record]:
    results = tlbench.run(
        strategies=list(strategies), datasets="fashion-mnist:train=500", image_size=48, results=tmp_path,
        progress=False, **options,
    )  # fmt: skip
    for record in results:
        assert record.status == "ok", record.error
    return {record.trial.cell.strategy.removeprefix("builtin/"): record for record in results}


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_with_few_images_frozen_statistics_are_worth_many_points(tmp_path: Path) -> None:
    auto = run(tmp_path, "norm-tuning")["norm-tuning"]
    moving = run(tmp_path, "norm-tuning", batchnorm="train")["norm-tuning"]
    assert accuracy(auto) > 0.77
    assert accuracy(auto) > accuracy(moving) + 0.05
    assert auto.cost is not None and moving.cost is not None
    assert auto.cost.phases[0].batchnorm is not None and moving.cost.phases[0].batchnorm is not None
    assert (auto.cost.phases[0].batchnorm.statistics, auto.cost.phases[0].batchnorm.layers) == ("frozen", 49)
    assert moving.cost.phases[0].batchnorm.reason == "--batchnorm train"
