"""Phases carried out in a whole trial: what is sent back to a strategy, and what stands in the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import Small, accuracy, make_backbone, make_context
from torch import nn

import tlbench
from tlbench import Look, Options, Phase, Rewrite, Strategy, Train, Validate, strategy
from tlbench.cache import StageCache
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.seen import Seen
from tlbench.engine.adapt import adapt
from tlbench.engine.seeds import Seeds
from tlbench.errors import PhaseError
from tlbench.plan import CHANCES
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.registry.provenance import Provenance
from tlbench.results.records import Record
from tlbench.testing import run_strategy

CPU = torch.device("cpu")
PROVENANCE = Provenance(plugin="p", distribution="p", version="1")


def run(folder: Path, *strategies: str, **options: Any) -> list[Record]:
    chosen = {"datasets": "digits:train=60:test=40", "epochs": 1, "image_size": 32, "batch_size": 20, "progress": False}
    return list(tlbench.run(strategies=list(strategies), results=folder, **(chosen | options)))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Record]]:
    """Two seeds of heads in closed form, of baselines and of freeze, by strategy."""
    records = run(
        tmp_path_factory.mktemp("results"),
        "freeze", "linear-probe", "knn", "majority", "image-stats", "random-features", "linear-probe:l2=1:subset=1",
        seeds=2,
    )  # fmt: skip
    found: dict[str, list[Record]] = {}
    for record in records:
        assert record.status == "ok", record.error
        found.setdefault(record.trial.cell.strategy.removeprefix("builtin/"), []).append(record)
    return found


def test_a_closed_form_has_no_steps_and_says_what_it_tried(closed: dict[str, list[Record]]) -> None:
    for record in closed["linear-probe"]:
        cost = record.cost
        assert cost is not None and record.learning_rate is None and record.history == []
        assert cost.phases == [] and cost.passes == pytest.approx(54 / 60) and cost.train_flops_per_image is None
        (solve,) = cost.solves
        assert solve.images == 54  # nine tenths of 60
        assert len(solve.candidates) == 7
        assert solve.chosen["l2"] in [each["l2"] for each in solve.candidates]
        assert record.distance is not None and record.distance.l2 == 0
        assert cost.trainable_parameters == 1280 * 10 + 10


def test_seeds_draw_different_images_and_all_images_give_the_same(closed: dict[str, list[Record]]) -> None:
    def losses(name: str) -> list[float]:
        found = [record.metrics.test["nll"] for record in closed[name] if record.metrics]
        return [each for each in found if each is not None]

    for name in ("linear-probe", "knn", "image-stats", "random-features"):
        assert len(set(losses(name))) == 2, name
    first, second = losses("linear-probe:l2=1:subset=1")
    assert first == second


def test_features_are_shared_between_freeze_and_closed_forms(closed: dict[str, list[Record]]) -> None:
    features = [
        record.cost.solves[0].features for name in ("linear-probe", "knn") for record in closed[name] if record.cost
    ]
    assert all(each.used for each in features)
    assert all(each.reused for each in features)  # freeze came first


def test_baselines_that_look_at_no_backbone_make_one_cell(closed: dict[str, list[Record]]) -> None:
    assert {record.trial.cell.backbone for record in closed["majority"]} == {"builtin/image-stats"}
    assert {record.trial.cell.weights.reason for record in closed["random-features"]} == {"strategy"}
    scores = {name: sum(map(accuracy, records)) for name, records in closed.items()}
    assert scores["majority"] < scores["random-features"] < scores["linear-probe"]
    assert all(accuracy(each) < 0.2 for each in closed["majority"])


def test_a_backbone_that_closed_forms_cannot_adapt_is_left_out(tmp_path: Path) -> None:
    results = tlbench.run(
        backbones="squeezenet1_1", strategies="ridge,freeze", datasets="digits:train=40:test=20", image_size=32,
        epochs=1, weights="random", results=tmp_path, progress=False,
    )  # fmt: skip
    assert [record.trial.cell.strategy for record in results] == ["builtin/freeze"]
    (reason,) = results.plan.left_out
    assert reason == (
        "builtin/ridge can't adapt torchvision/squeezenet1_1: its head is not one linear layer: classifier.1 (Conv2d)"
    )
    with pytest.raises(tlbench.UserError, match="can't adapt"):
        tlbench.run(backbones="squeezenet1_1", strategies="ridge", weights="random", results=tmp_path, progress=False)


def test_findings_are_sent_back_to_the_strategy(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def count(model: TransferModel, batches: Iterable[Batch]) -> int:
        return sum(len(batch) for batch in batches)

    @strategy("made-up", learning_rates={"adamw": 1e-3})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        seen["images"] = yield Look(count)
        seen["val"] = yield Validate()
        seen["rewrite"] = yield Rewrite(lambda model: 7)
        seen["train"] = yield Train(model.head)
        model.notes["answer"] = 42.0

    context = make_context(tmp_path, made_up)
    adapt(context)
    assert seen["images"] == 12
    assert 0 <= seen["val"].value <= 1
    assert seen["val"].merit == (seen["val"].value, -seen["val"].loss)
    assert seen["rewrite"] == 7
    assert seen["train"] is None
    assert context.model.notes == {"answer": 42.0}
    assert context.progress.trained == {"fc.weight": 12, "fc.bias": 3}


def test_another_model_can_be_trained_and_the_own_one_stays(tmp_path: Path) -> None:
    @strategy("made-up", learning_rates={"adamw": 1e-2})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        teacher = model.copy()
        yield Train(teacher.everything, of=teacher)
        model.notes["moved"] = teacher.distance2(model.snapshot()).item()

    context = make_context(tmp_path, made_up)
    before = context.model.snapshot()
    adapt(context)
    assert all(torch.equal(tensor, before[name]) for name, tensor in context.model.snapshot().items())
    assert float(context.model.notes["moved"]) > 0
    assert context.progress.trained == {}


def test_a_strategy_without_a_rate_can_not_train(tmp_path: Path) -> None:
    @strategy("made-up", learning_rates={})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        yield Train(model.head)

    context = make_context(tmp_path, made_up)
    with pytest.raises(PhaseError, match="states no learning rates"):
        adapt(replace(context, setting=replace(context.setting, learning_rate=None)))


class Normed(Small):
    """The same with a BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.bn(self.conv(images)).relu().mean((2, 3)))
        return logits


def in_train_mode(seen: Seen) -> torch.Tensor:
    """An objective that lets the statistics of a frozen BatchNorm move."""
    seen.model.module.get_submodule("bn").train()
    return seen.loss


def nudged(model: TransferModel) -> None:
    """Change the frozen body after a step."""
    with torch.no_grad():
        model.module.get_parameter("conv.weight").add_(0.1)


def calibrated(model: TransferModel, batches: Iterable[Batch]) -> None:
    """Look at images with a BatchNorm in train mode."""
    model.module.train()(next(iter(batches)).images)


@pytest.mark.parametrize(
    ("phase", "changed"),
    [
        (lambda m: Train(m.head, objective=in_train_mode), "bn.running_mean, bn.running_var, bn.num_batches_tracked"),
        (lambda m: Train(m.head, after_step=nudged), "conv.weight"),
        (lambda _: Look(calibrated), "bn.running_mean"),
    ],
)
def test_what_is_frozen_stays_as_it_is_bit_for_bit(tmp_path: Path, phase: Any, changed: str) -> None:
    @strategy("made-up", learning_rates={"adamw": 1e-2})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        yield phase(model)

    context = replace(make_context(tmp_path, made_up), model=TransferModel(Normed(), make_backbone("fc")))
    with pytest.raises(PhaseError, match=f"changed what it does not train: {changed}"):
        adapt(context)


def test_a_phase_that_says_what_it_changes_trains_on_what_it_has_made(tmp_path: Path) -> None:
    @strategy("made-up", learning_rates={"adamw": 1e-2})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        yield Train(model.head, after_step=nudged, moves=model.body)

    def loss(cache: StageCache | None) -> float | None:
        torch.manual_seed(0)
        model = TransferModel(Small(), make_backbone("fc"))
        context = replace(make_context(tmp_path, made_up), model=model, cache=cache)
        context.setting.order.manual_seed(0)
        adapt(context)
        return context.progress.train_loss

    assert loss(StageCache(tmp_path)) == loss(None)


def stopped_at_training(name: str, started: dict[str, torch.Tensor]) -> Strategy:
    """A built-in strategy until its first steps: then the model's tensors are put into `started`."""
    component = Registry.of(load_plugins()).strategies.resolve(name)

    @strategy("stopped", learning_rates={"adamw": 1e-3})
    def stopped(model: TransferModel, _options: Options) -> Iterator[Phase]:
        phases, found = component.load().phases(model, component.options), None
        while not isinstance(phase := phases.send(found), Train):  # type: ignore[attr-defined]
            found = yield phase
        started.update({name: tensor.clone() for name, tensor in model.module.state_dict().items()})

    return stopped


def start_of(folder: Path, name: str, seeds: Seeds) -> dict[str, torch.Tensor]:
    """What a strategy's training starts from, on the same model for all seeds."""
    started: dict[str, torch.Tensor] = {}
    context = replace(make_context(folder, stopped_at_training(name, started)), seeds=seeds)
    torch.manual_seed(7)
    model = TransferModel(Small(), replace(make_backbone("fc"), blocks=lambda _module: ["conv"]))
    adapt(replace(context, model=model))
    return started


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("lora:layers=conv", "conv.lora_A.default.weight"),
        ("adapter", "conv.adapter.down.weight"),
        ("side-tuning", "side.0.weight"),
    ],
)
def test_tensors_that_a_strategy_adds_are_of_the_seed_of_initialisation(tmp_path: Path, name: str, drawn: str) -> None:
    first = start_of(tmp_path, name, Seeds(0, CHANCES))[drawn]
    for vary, same in (("initialisation", False), ("augmentation", True), ("order", True)):
        other = start_of(tmp_path, name, Seeds(1, (vary,)))[drawn]  # type: ignore[arg-type]
        assert torch.equal(other, first) is same, vary


def test_a_strategy_is_told_how_many_steps_the_phase_that_is_on_has() -> None:
    told = []

    @strategy("counting", learning_rates={"adamw": 1e-3})
    def counting(model: TransferModel, _options: Options) -> Iterator[Phase]:
        """Write down what it is told."""
        yield Train(model.head, epochs=0.5, after_step=lambda model: told.append(model.phase_steps()))
        told.append(model.phase_steps())
        yield Train(model.head, epochs=1, after_step=lambda model: told.append(model.phase_steps()))

    found = run_strategy(counting, epochs=2)  # of 36 images in batches of 12
    assert told == [3, 3, 3, 0, 6, 6, 6, 6, 6, 6]
    assert found.model.phase_steps() == 0


@pytest.mark.parametrize("where", ["in a rewrite", "between phases"])
def test_what_is_random_in_the_steps_does_not_depend_on_new_tensors(tmp_path: Path, where: str) -> None:
    def drawn_in_steps(numbers: int) -> list[float]:
        seen: list[float] = []

        def penalty(model: TransferModel) -> torch.Tensor:
            seen.append(torch.rand(()).item())
            return torch.zeros(())

        @strategy("made-up", learning_rates={"adamw": 1e-3})
        def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
            yield Train(model.head, penalty=penalty)
            if where == "between phases":
                torch.rand(numbers)
            else:
                yield Rewrite(lambda model: torch.rand(numbers))
            yield Train(model.head, penalty=penalty)

        adapt(make_context(tmp_path, made_up))
        return seen

    assert drawn_in_steps(0) == drawn_in_steps(100)


def test_two_rewrites_draw_different_numbers(tmp_path: Path) -> None:
    found: list[torch.Tensor] = []

    @strategy("made-up", learning_rates={"adamw": 1e-3})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        for _ in range(2):
            found.append((yield Rewrite(lambda model: torch.rand(3))))

    adapt(make_context(tmp_path, made_up))
    assert not torch.equal(*found)
