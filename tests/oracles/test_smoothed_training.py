"""Training behind smoothing: full at its end, a part of the model where it is fixed, gone where it is annealed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_backbone
from conftest import QUICK, Cli
from safetensors.torch import load_file
from torch import nn
from torchvision.models import convnext_tiny, resnet18

import tlbench
from tlbench import Strategy, Train
from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import cut
from tlbench.results.records import Record
from tlbench.testing import Trained, run_strategy
from tlbench.testing.kit.tiny import tiny_cnn
from tlbench.toolkit import PhaseError
from tlbench_gridsmooth import STRATEGIES, grid_smooth
from tlbench_gridsmooth.elements import smoothed
from tlbench_gridsmooth.gaussian import blurred
from tlbench_gridsmooth.inserted import Falling, ends_of_stages, insert
from tlbench_gridsmooth.strategies import by_elements, keep
from tlbench_strategies.basic import full

OFF = (
    "grid-smooth:strength=0", "grid-smooth:strength=0:stages=0+1", "grid-smooth:strength=0:anneal=cosine",
    "gaussian-blur:sigma=0", "gaussian-blur:sigma=0:anneal=linear",
)  # fmt: skip
FIXED = ("grid-smooth:strength=4", "gaussian-blur:sigma=2", "grid-smooth:strength=1:element=2:stages=0+-1")
ANNEALED = ("grid-smooth:strength=4:anneal=linear", "gaussian-blur:sigma=2:anneal=cosine:stages=1")


def hooks_of(module: nn.Module) -> int:
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules())


def same_tensors(one: Trained, other: Trained) -> bool:
    theirs = other.module.state_dict()
    return all(torch.equal(each, theirs[name]) for name, each in one.module.state_dict().items())


@pytest.fixture(scope="module")
def plain() -> Trained:
    """What `full` leaves of the kit's small network."""
    return run_strategy("full", epochs=3)


@pytest.mark.parametrize("strategy", OFF)
def test_without_strength_it_is_full_bit_for_bit(strategy: str, plain: Trained) -> None:
    found = run_strategy(strategy, epochs=3)
    assert same_tensors(found, plain)
    assert torch.equal(found.outputs, plain.outputs)
    assert hooks_of(found.module) == 0


@pytest.mark.slow
def test_on_real_weights_a_cell_without_strength_is_that_of_full_bit_for_bit(tmp_path: Path) -> None:
    results = tlbench.run(
        strategies=["full", *OFF[:4]], datasets="digits:train=80:test=60", image_size=32, epochs=2, batch_size=16,
        results=tmp_path, progress=False,
    )  # fmt: skip
    first, *others = results
    assert len(others) == 4
    losses = [load_file(tmp_path / results.folder.name / "trials" / str(each.predictions))["loss"] for each in results]
    for record, loss in zip(others, losses[1:], strict=True):
        assert record.distance == first.distance, record.error
        assert torch.equal(loss, losses[0])


@pytest.mark.parametrize("strategy", FIXED)
def test_fixed_smoothing_is_a_part_of_the_model(strategy: str, plain: Trained) -> None:
    found = run_strategy(strategy, epochs=3)
    assert found.module.state_dict().keys() == plain.module.state_dict().keys()
    assert not same_tensors(found, plain)
    bare = tiny_cnn().build(3, image_size=16, pretrained=False)
    bare.load_state_dict(found.module.state_dict())
    with torch.no_grad():
        without = bare.eval()(found.images)
        if "stages" not in strategy:
            smooth = smoothed(found.images, 4.0) if strategy.startswith("grid") else blurred(found.images, 2.0, 8)
            torch.testing.assert_close(bare(smooth), found.outputs)
    assert not torch.allclose(without, found.outputs, atol=1e-3)


@pytest.mark.parametrize("strategy", ANNEALED)
def test_annealed_smoothing_leaves_the_plain_backbone_and_its_course_in_the_record(
    strategy: str, plain: Trained
) -> None:
    found = run_strategy(strategy, epochs=3)
    assert hooks_of(found.module) == 0
    assert not same_tensors(found, plain)
    steps = 3 * 36 // 12
    curve = found.model.curves["smoothing"]
    assert curve.steps == list(range(steps))
    if "linear" in strategy:
        expected = [4 * (1 - step / steps) for step in range(steps)]
    else:
        expected = [1 + math.cos(math.pi * step / steps) for step in range(steps)]
    assert curve.values == pytest.approx(expected)


def test_a_falling_strength_smooths_training_alone_and_is_off_in_the_end() -> None:
    model = TransferModel(nn.Sequential(nn.Identity(), nn.Linear(4, 2)), make_backbone("1"))
    falling = Falling(model, 2.0, "linear")
    model.phase_steps = lambda: 2
    found = []
    for _ in range(3):
        found.append((falling.on, float(falling.value)))
        falling.after_step(model)
    assert found == [(True, 2.0), (True, 1.0), (False, 0.0)]
    again = Falling(model, 2.0, "linear")
    model.module.eval()
    assert not again.on


def test_val_and_test_see_the_plain_backbone_while_the_strength_falls() -> None:
    backbone = tiny_cnn()
    model = TransferModel(backbone.build(3, image_size=16, pretrained=True), backbone)
    images, source = torch.randn(4, 3, 16, 16), model.snapshot()
    with torch.no_grad():
        before = model.module.eval()(images)
        in_training = model.module.train()(smoothed(images, 4.0))
        phase = next(iter(grid_smooth.phases(model, grid_smooth.options(strength=4, anneal="linear"))))
        assert isinstance(phase, Train) and phase.part == model.everything
        torch.testing.assert_close(model.module.train()(images), in_training)
        model.restore(source)  # BatchNorm's statistics have moved
        assert torch.equal(model.module.eval()(images), before)
    assert hooks_of(model.module) == 1


def test_a_stage_that_is_named_twice_is_smoothed_once() -> None:
    backbone = tiny_cnn()
    model = TransferModel(backbone.build(3, image_size=16, pretrained=True), backbone)
    insert(model, lambda values: values, (1, -1, 1))
    assert hooks_of(model.module) == 2


def test_feature_maps_are_smoothed_behind_the_stages_that_are_named() -> None:
    torch.manual_seed(0)
    module = resnet18(num_classes=3).eval()
    model = TransferModel(module, make_backbone("fc"))
    assert ends_of_stages(model) == ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = module.maxpool(module.relu(module.bn1(module.conv1(smoothed(images, 1.5)))))
        maps = smoothed(module.layer3(module.layer2(smoothed(module.layer1(maps), 1.5))), 1.5)
        expected = module.fc(module.layer4(maps).mean((2, 3)))
        keep(model, options := grid_smooth.options(strength=1.5, stages=(0, -2)), by_elements(options), 1.5)
        torch.testing.assert_close(module(images), expected)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
def test_stages_that_a_model_does_not_have_are_told_of_before_anything_runs(strategy: Strategy) -> None:
    assert strategy.serves is not None
    with torch.device("meta"):
        cnn = TransferModel(resnet18(), make_backbone("fc"))
        tokens = TransferModel(convnext_tiny(), make_backbone("classifier.2"))
    assert strategy.serves(cnn, strategy.options()) is None
    assert strategy.serves(cnn, strategy.options(stages=(0, -4, 3))) is None
    assert (
        strategy.serves(cnn, strategy.options(stages=(1, 4)))
        == "there is no stage 4; the model has 4 stages, from 0 to 3"
    )
    assert strategy.serves(tokens, strategy.options()) is None
    assert "leave it out" in str(strategy.serves(tokens, strategy.options(stages=(0,))))


def test_a_stage_that_gives_no_maps_says_so() -> None:
    model = TransferModel(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2)), make_backbone("3"))
    insert(model, lambda values: values, (0,))
    with pytest.raises(PhaseError, match="no feature maps"):
        model.module(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("stages", [None, (0,)])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
def test_a_smoothing_body_that_is_frozen_is_cut_behind_the_smoothing(
    strategy: Strategy, stages: tuple[int, ...] | None
) -> None:
    """As a saved model that is fine-tuned again: features are those of smoothed images."""
    backbone = tiny_cnn()
    model = TransferModel(backbone.build(3, image_size=16, pretrained=True), backbone)
    assert strategy.rebuild is not None
    strategy.rebuild(model, strategy.options(stages=stages), {})
    model.train_only(model.head)
    images = torch.randn(4, 3, 16, 16)
    pieces = cut(model.module, images, after=model.head_paths)
    assert {"smoothed", "blurred"} & {node.name for node in pieces.prefix.graph.nodes}
    with torch.no_grad(), model.watched((), head_input=True) as seen:
        model.module(images)
        torch.testing.assert_close(pieces.prefix(images), *seen.values())


@pytest.mark.parametrize("strategy", FIXED)
def test_a_model_with_fixed_smoothing_can_be_compiled(strategy: str) -> None:
    found = run_strategy(strategy, epochs=1)
    torch.compiler.reset()  # hooks are not guarded; a trial has a process of its own
    compiled = torch.compile(found.module, backend="eager", fullgraph=True, dynamic=False)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(found.images), found.outputs)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
def test_a_compiled_model_is_not_compiled_again_while_the_strength_falls(strategy: Strategy) -> None:
    backbone = tiny_cnn()
    model = TransferModel(backbone.build(3, image_size=16, pretrained=True), backbone)
    model.phase_steps = lambda: 4
    phase = next(iter(strategy.phases(model, strategy.options(anneal="linear", stages=(0,)))))
    assert isinstance(phase, Train) and phase.after_step is not None
    images = torch.randn(4, 3, 16, 16)
    model.module.train()(images)  # as the probe of a phase does before anything is compiled
    torch.compiler.reset()
    programs: list[Any] = []

    def backend(graph: Any, _inputs: Any) -> Any:
        programs.append(graph)
        return graph.forward

    compiled = torch.compile(model.module.train(), backend=backend, fullgraph=True, dynamic=False)
    numbers = []
    for _ in range(5):  # in the last pass, nothing is smoothed
        torch.testing.assert_close(compiled(images), model.module(images))
        numbers.append(len(programs))
        phase.after_step(model)
    assert numbers[0] == numbers[3]


def flops(record: Record) -> tuple[float, float]:
    """Of an image, forward and for a step."""
    assert record.cost is not None, record.error
    (phase,) = record.cost.phases
    assert phase.forward_flops_per_image is not None and phase.train_flops_per_image is not None
    return phase.forward_flops_per_image, phase.train_flops_per_image


@pytest.mark.slow
def test_its_products_are_counted_and_saved_models_predict_behind_it(tmp_path: Path) -> None:
    size, names = 32, ("full", FIXED[0], ANNEALED[0], FIXED[1])
    results = tlbench.run(
        backbones="small_cnn", strategies=list(names), datasets="digits:train=60:test=40", image_size=size, epochs=2,
        save="all", results=tmp_path, progress=False,
    )  # fmt: skip
    plain, *smoothing = (flops(record) for record in results)
    product = 2 * 3 * size**3
    for name, (forward, step) in zip(names[1:], smoothing, strict=True):
        products = 4 if name.startswith("grid") else 2
        assert forward - plain[0] == pytest.approx(products * product, rel=0.05)
        assert step - plain[1] == pytest.approx(products * product, rel=0.05)
    for record in list(results)[1:]:
        loaded = tlbench.load_model(results.folder / "models" / record.trial.id)
        assert hooks_of(loaded.module) == (0 if "anneal" in record.trial.cell.strategy else 1)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("grid-smooth:strength=-1", "option strength of strategy gridsmooth/grid-smooth is float and can't be '-1'"),
        ("grid-smooth:strength=inf", "can't be 'inf': Input should be a finite number"),
        ("grid-smooth:element=0.5", "Input should be greater than or equal to 1"),
        ("grid-smooth:element=2:anneal=linear", "element=2 and anneal=linear exclude each other"),
        ("grid-smooth:anneal=soon", "Input should be 'none', 'linear' or 'cosine'"),
        ("gaussian-blur:sigma=-0.1", "option sigma of strategy gridsmooth/gaussian-blur is float and can't be '-0.1'"),
        ("grid-smooth:stages=0+9", "there is no stage 9; the model has "),
    ],
)
def test_bad_options_get_one_sentence_and_nothing_runs(cli_here: Cli, tmp_path: Path, strategy: str, said: str) -> None:
    finished = cli_here("run", *QUICK, "--strategies", strategy)
    assert said in finished.stderr
    assert (finished.status, finished.stdout) == (2, "")
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.name)
def test_the_default_rates_are_those_of_full(strategy: Strategy) -> None:
    assert strategy.learning_rates == full.learning_rates
