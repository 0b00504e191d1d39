"""What a model still knows of its source: the source's head on its features, and a fresh linear probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import PLAIN, load_split, make_objective, make_protocol, noise, save_split
from torch import nn

from tlbench.contracts import Backbone
from tlbench.contracts.model import TransferModel
from tlbench.engine.retention import SourceTask, linear_probe, retained
from tlbench.errors import RetentionUnknown
from tlbench_tasks.single_label import SingleLabel

LABELS = np.arange(12) % 3


def model_of(outputs: int, width: int = 5) -> TransferModel:
    """A convolution and a linear head."""
    layers: dict[str, nn.Module] = {
        "body": nn.Conv2d(3, width, 3), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(),
        "head": nn.Linear(width, outputs),
    }  # fmt: skip
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    return TransferModel(module, Backbone(lambda *_a, **_k: module, "head", PLAIN, blocks=lambda _module: ["body"]))


def source_of(
    folder: Path, whole: TransferModel, outputs: torch.Tensor | None = None, probed: bool = True
) -> SourceTask:
    """Twelve images of three classes as the source, whose head is that of a model."""
    for split in ("train", "test"):
        save_split(folder, split, noise(12), LABELS)
    head = whole.module.get_submodule("head")
    assert isinstance(head, nn.Linear)
    train, test = (load_split(folder, split) for split in ("train", "test"))
    objective = make_objective(head.out_features)
    return SourceTask(head, objective, SingleLabel().primary_metric, train, test, probed, outputs)


def test_the_sources_head_on_another_body_is_what_a_plain_loop_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole, adapted = model_of(3), model_of(7)  # a new head for seven classes of the target
    source = source_of(tmp_path, whole)
    found = retained(adapted, source, make_protocol())
    images = source.test.batch(torch.arange(12)).images
    with torch.inference_mode():
        plain = nn.Sequential(*list(adapted.module.children())[:3], source.head)(images).argmax(1)
    assert found.through_head == pytest.approx(float((plain == torch.from_numpy(LABELS)).float().mean()))
    assert retained(whole, source, make_protocol()) == retained(whole, source, make_protocol())


def test_classes_may_be_some_of_a_larger_heads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = model_of(20)
    head = whole.module.get_submodule("head")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.eye(20)[11])  # says output 11 of every image
    source = source_of(tmp_path, whole, outputs=torch.tensor([4, 11, 2]))
    assert retained(whole, source, make_protocol()).through_head == pytest.approx(1 / 3)


def test_a_probe_is_fitted_to_classes_alone(tmp_path: Path) -> None:
    assert retained(model_of(3), source_of(tmp_path, model_of(3), probed=False), make_protocol()).probe is None


def test_a_body_of_another_width_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RetentionUnknown, match=r"does not take the features that the strategy leaves \(\(6,\)\)"):
        retained(model_of(3, width=6), source_of(tmp_path, model_of(3)), make_protocol())


def test_the_probe_reads_classes_that_lie_apart_and_no_others() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    features = torch.eye(4)[labels] * 3 + torch.randn(200, 4, generator=generator) * 0.3
    assert linear_probe(features[:100], labels[:100], features[100:], labels[100:]) == 1
    mixed = torch.randn(200, 4, generator=generator)
    assert linear_probe(mixed[:100], labels[:100], mixed[100:], labels[100:]) < 0.5
