"""Parameter-efficient strategies: they start as the backbone, train what they declare, and merge without a trace.

Prompts (`vpt`), which do not start as the backbone, are in test_prompts.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_images, make_protocol, make_setting
from torch import nn
from torchvision.models import VisionTransformer

from tlbench import Look, Rewrite, Strategy, Train
from tlbench.contracts.model import TransferModel
from tlbench.data.batches import Images
from tlbench.engine.feed import Feed, in_order
from tlbench.engine.loop import prepare_phase, train
from tlbench.engine.recipe import make_optimizer
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench_peft import STRATEGIES, adapter, dora, ia3, lora, ssf, vpt

CPU = torch.device("cpu")
SIZE = 32
TORCHVISION_VIT = "a small ViT of torchvision's"
BACKBONES = ("torchvision/resnet18", "timm/vit_tiny_patch16_224", "packaged/efficientnet_lite0", TORCHVISION_VIT)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of(load_plugins())


@pytest.fixture(params=BACKBONES)
def model(request: pytest.FixtureRequest, registry: Registry) -> TransferModel:
    """With statistics that are not their initial ones."""
    torch.manual_seed(0)
    backbone = registry.backbones.resolve("vit_b_16" if request.param == TORCHVISION_VIT else request.param).load()
    if request.param == TORCHVISION_VIT:
        module: nn.Module = VisionTransformer(SIZE, 16, 3, 2, 32, 64, num_classes=3)
        nn.init.normal_(module.get_parameter("heads.head.weight"))
    else:
        module = backbone.build(3, image_size=SIZE, pretrained=request.param.startswith("packaged"))
    with torch.no_grad():
        module.train()(torch.randn(8, 3, SIZE, SIZE))
    return TransferModel(module, backbone)


class Walk:
    """A strategy's phases carried out one by one, as far as they are asked for."""

    def __init__(self, strategy: Strategy, model: TransferModel, images: Images) -> None:
        self._phases = strategy.phases(model, strategy.options())
        self._model = model
        self._images = images

    def to_training(self) -> Train:
        """Up to the next `Train`, which is not carried out."""
        found: Any = None
        while True:
            phase = self._phases.send(found)  # type: ignore[attr-defined]
            found = None
            if isinstance(phase, Train):
                return phase
            found = self._do(phase)

    def to_the_end(self) -> None:
        """All the rest."""
        for phase in self._phases:
            self._do(phase)

    def _do(self, phase: Any) -> Any:
        if isinstance(phase, Look):
            return phase.apply(self._model, in_order(self._images, 4))
        assert isinstance(phase, Rewrite)
        return phase.apply(self._model)


def output(model: TransferModel, images: Images) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.module.eval()(images.batch(torch.arange(8)).images)
        return logits.clone()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
def test_it_starts_as_the_backbone_and_trains_only_what_it_declares(
    model: TransferModel, strategy: Strategy, tmp_path: Path
) -> None:
    if strategy.serves is not None and (reason := strategy.serves(model, strategy.options())):
        assert strategy is vpt and "it has no attention" in reason
        return
    images = make_images(tmp_path, 8, size=SIZE)
    source = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    before = output(model, images)
    walk = Walk(strategy, model, images)
    phase = walk.to_training()
    if strategy is not vpt:  # whose tokens are seen from the start
        torch.testing.assert_close(output(model, images), before, rtol=0, atol=1e-5)

    prepare_phase(model, phase)
    declared = {name for name, each in model.module.named_parameters() if each.requires_grad}
    head = {name for name, _ in model.parameters(model.head)}
    assert head < declared
    assert sum(each.numel() for each in model.trainable()) < 0.5 * sum(each.numel() for each in source.values())
    start = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    setting = make_setting(make_protocol(epochs=4), learning_rate=0.05)
    train(model, phase, 0, setting, Feed(images, model.module))
    changed = {name for name, tensor in model.module.state_dict().items() if not torch.equal(tensor, start[name])}
    assert changed <= declared
    assert len(changed) > 0.9 * len(declared)

    trained = output(model, images)
    walk.to_the_end()
    torch.testing.assert_close(output(model, images), trained, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(trained, before, atol=1e-2)
    if strategy not in (adapter, vpt):
        left = set(model.module.state_dict())
        assert left - set(source) <= {f"{name.rpartition('.')[0]}.bias" for name in source}
        assert not set(source) - left


def test_a_backbone_without_fitting_layers_is_told_by_its_layers(registry: Registry) -> None:
    backbone = registry.backbones.resolve("packaged/small_cnn").load()
    with torch.device("meta"):
        model = TransferModel(backbone.build(3, image_size=8, pretrained=False), backbone)
    for strategy in (lora, dora, ia3):
        assert strategy.serves is not None
        assert strategy.serves(model, strategy.options()) is None
    backbone = registry.backbones.resolve("builtin/image-stats").load()
    model = TransferModel(backbone.build(3, image_size=8, pretrained=False), backbone)
    assert lora.serves is not None
    assert "no layer to wrap" in str(lora.serves(model, lora.options()))
    assert ssf.serves is None


@pytest.mark.parametrize(("strategy", "multiplier"), [(lora, None), (dora, "lora_magnitude_vector"), (ia3, "ia3_l")])
def test_what_multiplies_weights_is_not_decayed(
    registry: Registry, tmp_path: Path, strategy: Strategy, multiplier: str | None
) -> None:
    """Decay would pull factors and norms to 0, and their neutral value is another; thin matrices are decayed."""
    backbone = registry.backbones.resolve("packaged/small_cnn").load()
    model = TransferModel(backbone.build(3, image_size=SIZE, pretrained=False), backbone)
    phase = Walk(strategy, model, make_images(tmp_path, 8, size=SIZE)).to_training()
    prepare_phase(model, phase)
    optimizer = make_optimizer(model, 0.1, phase, make_protocol())
    undecayed = {id(each) for group in optimizer.param_groups if not group["weight_decay"] for each in group["params"]}
    trained = {name: each for name, each in model.module.named_parameters() if each.requires_grad}
    multipliers = {name for name in trained if multiplier is not None and f".{multiplier}." in name}
    assert any(trained[name].ndim > 1 for name in multipliers) == (multiplier is not None)
    expected = multipliers | {name for name, each in trained.items() if each.ndim <= 1}
    assert {name for name, each in trained.items() if id(each) in undecayed} == expected
    assert any("lora_A" in name for name in set(trained) - expected) == (strategy is not ia3)
