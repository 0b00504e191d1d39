"""Side-tuning against the paper's equation: what the head is given, what moves, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import make_images, make_protocol, make_setting
from torch import nn

import tlbench
from tlbench import Rewrite, Train
from tlbench.contracts.model import TransferModel
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_strategies.side import Side, side_tuning
from tlbench_strategies.side_network import SideTuned

SIZE = 32
BACKBONES = ("torchvision/resnet18", "timm/vit_tiny_patch16_224", "packaged/efficientnet_lite0")


@pytest.mark.parametrize("name", BACKBONES)
def test_the_head_is_given_a_mixture_and_the_body_stays(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = Registry.of(load_plugins()).backbones.resolve(name).load()
    model = TransferModel(backbone.build(3, image_size=SIZE, pretrained=name.startswith("packaged")), backbone)
    images = make_images(tmp_path, 8, size=SIZE)
    pixels = images.batch(torch.arange(8)).images
    (path,) = model.head_paths
    head = model.module.get_submodule(path)
    assert isinstance(head, nn.Linear)
    source = {key: each.clone() for key, each in model.module.state_dict().items() if not key.startswith(path)}
    blocks = model.block_paths
    with torch.no_grad(), model.watched((), head_input=True) as seen:
        model.module.eval()(pixels)
    (features,) = seen.values()

    phases = iter(side_tuning.phases(model, Side(alpha=0.8)))
    rewrite = next(phases)
    assert isinstance(rewrite, Rewrite)
    rewrite.apply(model)
    phase = next(phases)
    assert isinstance(phase, Train)
    assert model.block_paths == [f"body.{block}" for block in blocks]
    with torch.no_grad():
        torch.testing.assert_close(model.module.eval()(pixels), head(0.8 * features), rtol=1e-4, atol=1e-5)

    prepare_phase(model, phase)
    start = {key: each.clone() for key, each in model.module.state_dict().items()}
    setting = make_setting(make_protocol(epochs=4), learning_rate=0.01)
    train(model, phase, 0, setting, Feed(images, model.module))
    state = model.module.state_dict()
    changed = {key for key, each in state.items() if not torch.equal(each, start[key])}
    assert {"mix", "head.weight", "side.0.weight"} <= changed
    assert all(torch.equal(state[f"body.{key}"], each) for key, each in source.items())

    side_network = model.module.eval()
    assert isinstance(side_network, SideTuned)
    alpha = 1 / (1 + (-side_network.mix).exp())
    with torch.no_grad():
        expected = head(alpha * features + (1 - alpha) * side_network.side(pixels))
        torch.testing.assert_close(side_network(pixels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_its_record_says_that_the_body_has_not_moved(tmp_path: Path) -> None:
    results = tlbench.run(
        strategies=["side-tuning", "freeze"], datasets="digits:train=60:test=20", epochs=2, image_size=32,
        results=tmp_path, progress=False,
    )  # fmt: skip
    side_network, frozen = (record for record in results)
    assert side_network.distance is not None and frozen.distance is not None
    assert side_network.distance.l2 == 0.0 == side_network.distance.relative
    assert [block.name for block in side_network.distance.blocks] == [block.name for block in frozen.distance.blocks]
    (phase,) = side_network.cost.phases if side_network.cost else ()
    assert phase.features is not None and not phase.features.used
    assert phase.features.reason == "2 tensors lead from its frozen part to the rest"
