"""Heads trained in one product: each gets what the loop gives it alone."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import PLAIN, load_split, make_images, make_protocol, make_setting, noise, objective_of, save_split
from torch import nn

from tlbench.cache import StageCache
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.task import Task
from tlbench.data.batches import Images
from tlbench.engine.features import FeatureInputs, feed
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.engine.product import Head, linear_suffix, train_heads
from tlbench.engine.setting import Setting
from tlbench.errors import Diverged
from tlbench.events import EpochDone, Event, StepDone
from tlbench.measure.memory import PeakMemory
from tlbench.plan import Protocol
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_tasks.multi_label import MultiLabel
from tlbench_tasks.regression import Regression

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of(load_plugins())


def model_of(registry: Registry, name: str = "packaged/efficientnet_lite0", size: int = 8) -> TransferModel:
    torch.manual_seed(0)
    backbone = registry.backbones.resolve(name).load()
    return TransferModel(backbone.build(3, image_size=size, pretrained=name.startswith("packaged")), backbone)


def features_of(
    model: TransferModel, folder: Path, protocol: Protocol, images: Images | None = None
) -> tuple[Feed, Train]:
    phase = Train(model.head)
    prepare_phase(model, phase)
    source = FeatureInputs(images or make_images(folder, 18), "digest", "train", PLAIN, protocol, CPU, PeakMemory(CPU))
    return feed(model, phase, source, StageCache(folder))[0], phase


def heads_of(layer: nn.Linear, seeds: tuple[int, ...], rates: tuple[float, ...]) -> list[Head]:
    heads = []
    for seed in seeds:
        torch.manual_seed(seed)
        weight, bias = torch.randn_like(layer.weight) / 30, torch.randn_like(layer.bias)
        order = torch.Generator().manual_seed(seed)
        heads += [Head(seed, rate, order, weight.clone(), bias.clone()) for rate in rates]
    return heads


def compare(model: TransferModel, fed: Feed, phase: Train, setting: Setting) -> list[Head]:
    """Train four heads together, of two seeds and two rates, and hold each to what the loop makes of it alone."""
    layer = linear_suffix(fed)
    assert layer is not None
    rates, exact = (1e-3, 3e-2), setting.protocol.precision == "fp32"
    together = heads_of(layer, (0, 7), rates)
    train_heads(together, fed, phase, 0, setting)
    for head, start in zip(together, heads_of(layer, (0, 7), rates), strict=True):
        with torch.no_grad():
            layer.weight.copy_(start.weight)
            layer.bias.copy_(start.bias)  # type: ignore[arg-type]
        events: list[Event] = []
        order = torch.Generator().manual_seed(start.seed)
        alone = dataclasses.replace(setting, learning_rate=start.learning_rate, order=order, report=events.append)
        train(model, phase, 0, alone, fed)
        losses = [event.train_loss for event in events if isinstance(event, EpochDone)]
        assert head.losses == pytest.approx(losses, rel=1e-5 if exact else 1e-2)
        torch.testing.assert_close(head.weight, layer.weight.detach(), rtol=1e-4 if exact else 0.1, atol=3e-4)
        torch.testing.assert_close(head.bias, layer.bias.detach(), rtol=1e-4 if exact else 0.1, atol=3e-4)
        assert head.diverged_at is None
        assert not torch.equal(head.weight, start.weight)
    assert not torch.equal(together[0].weight, together[1].weight)
    assert not torch.equal(together[0].weight, together[2].weight)
    return together


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16"},
        {"gradient_clip": 0.3, "warmup": 0.2},
        {"batch_size": 18},
        {"label_smoothing": 0.2},
    ],
)
def test_each_head_gets_what_it_gets_alone(registry: Registry, tmp_path: Path, changes: dict[str, Any]) -> None:
    protocol = make_protocol(epochs=3, **changes)
    model = model_of(registry)
    together = compare(model, *features_of(model, tmp_path, protocol), make_setting(protocol))
    assert [head.diverged_at for head in together] == [None] * len(together)


TAGS = np.stack([np.arange(18) % 2, np.arange(18) % 3 == 0, np.arange(18) % 5 > 2], 1).astype(np.int64)
NUMBERS = np.random.default_rng(0).normal(40, 5, (18, 3)).astype(np.float32)


@pytest.mark.parametrize("changes", [{}, {"gradient_clip": 0.3}])
@pytest.mark.parametrize(("task", "labels"), [(MultiLabel(), TAGS), (Regression(), NUMBERS)])
def test_heads_of_other_tasks_get_what_they_get_alone_as_well(
    registry: Registry, tmp_path: Path, task: Task, labels: np.ndarray, changes: dict[str, Any]
) -> None:
    """Three labels or three targets of an image: labels are N×3, and so are the outputs."""
    protocol = make_protocol(epochs=3, **changes)
    save_split(tmp_path, "train", noise(18), labels)
    model = model_of(registry)
    fed, phase = features_of(model, tmp_path, protocol, load_split(tmp_path, "train"))
    setting = make_setting(protocol, objective=objective_of(task, labels, 3), primary=task.primary_metric)
    together = compare(model, fed, phase, setting)
    assert all(head.losses[-1] < head.losses[0] for head in together if head.learning_rate == 3e-2)


def test_a_head_that_diverges_is_found_at_its_step_and_harms_no_other(registry: Registry, tmp_path: Path) -> None:
    protocol = make_protocol(epochs=2)
    model = model_of(registry)
    fed, phase = features_of(model, tmp_path, protocol)
    layer = linear_suffix(fed)
    assert layer is not None
    bad, good = together = heads_of(layer, (0,), (1e38, 1e-3))
    setting = make_setting(protocol)
    train_heads(together, fed, phase, 0, setting)
    (alone,) = heads_of(layer, (0,), (1e-3,))
    train_heads([alone], fed, phase, 0, setting)
    torch.testing.assert_close(good.weight, alone.weight)
    assert good.diverged_at is None
    with torch.no_grad():
        start = heads_of(layer, (0,), (1e38,))[0]
        layer.weight.copy_(start.weight)
        layer.bias.copy_(start.bias)  # type: ignore[arg-type]
    with pytest.raises(Diverged) as raised:
        train(model, phase, 0, make_setting(protocol, learning_rate=1e38, order=torch.Generator().manual_seed(0)), fed)
    assert bad.diverged_at == raised.value.step
    assert not math.isfinite(bad.losses[-1])


def test_progress_is_told_as_the_loop_tells_it(registry: Registry, tmp_path: Path) -> None:
    protocol = make_protocol(epochs=2, batch_size=6)
    fed, phase = features_of(model_of(registry), tmp_path, protocol)
    layer = linear_suffix(fed)
    assert layer is not None
    events: list[Event] = []
    train_heads(heads_of(layer, (3, 4), (1e-3,)), fed, phase, 0, make_setting(protocol, report=events.append))
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [(event.step, event.steps, event.epoch, event.images) for event in steps] == [
        (step, 6, 1 + (step > 3), 12) for step in range(1, 7)
    ]
    assert [(event.epoch, event.seed) for event in events if isinstance(event, EpochDone)] == [
        (1, 3), (1, 4), (2, 3), (2, 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_linear"),
    [("torchvision/resnet18", True), ("timm/vit_tiny_patch16_224", True), ("torchvision/squeezenet1_0", False)],
)
def test_a_head_is_linear_where_the_features_go_through_one_layer(
    registry: Registry, tmp_path: Path, name: str, is_linear: bool
) -> None:
    size = 32
    model = model_of(registry, name, size)
    phase = Train(model.head)
    prepare_phase(model, phase)
    images = make_images(tmp_path, 12, size=size)
    source = FeatureInputs(images, "digest", "train", PLAIN, make_protocol(image_size=size), CPU, PeakMemory(CPU))
    fed = feed(model, phase, source, StageCache(tmp_path))[0]
    assert (linear_suffix(fed) is not None) is is_linear
    assert linear_suffix(Feed(images, model.module)) is None
