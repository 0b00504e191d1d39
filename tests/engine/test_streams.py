"""Phases with data of their own: views of an image, images without labels, other datasets, batches beside batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import Small, make_backbone, make_context, make_images, make_objective, make_setting
from torch import nn

from tlbench import Batch, Look, Options, OtherDataset, Phase, Seen, Train, TrainData, TransferModel, strategy
from tlbench.contracts.strategy import Strategy
from tlbench.engine.adapt import adapt
from tlbench.engine.context import Context, OtherImages
from tlbench.errors import PhaseError


def made_of(phase: Callable[[TransferModel], Phase]) -> Strategy:
    """A strategy of one phase."""

    @strategy("made-up", learning_rates={"adamw": 1e-3})
    def made_up(model: TransferModel, _options: Options) -> Iterator[Phase]:
        yield phase(model)

    return made_up


def carried_out(folder: Path, phase: Callable[[TransferModel], Phase], **changes: Any) -> Context:
    context = make_context(folder, made_of(phase), **changes)
    adapt(context)
    return context


def others(folder: Path, number: int, classes: int) -> dict[str, OtherImages]:
    """Another dataset named `far`."""
    folder.mkdir()
    images = make_images(folder, number, classes)
    described = OtherDataset(tuple(map(str, range(classes))), make_objective(classes), number)
    return {"far": OtherImages(images, described)}


def noisy(images: torch.Tensor) -> torch.Tensor:
    return images + 0.1 * torch.rand(images.shape)


def test_an_image_is_in_a_batch_once_a_view(tmp_path: Path) -> None:
    seen: list[Seen] = []

    def objective(step: Seen) -> torch.Tensor:
        seen.append(step)
        first, second = step.by_view(step.features)
        return (first - second).square().mean()

    def phase(model: TransferModel) -> Phase:
        return Train(model.everything, objective=objective, data=TrainData(views=2, augment=noisy, labels=False))

    context = carried_out(tmp_path, phase)
    step = seen[-1]
    first, second = step.by_view(step.images)
    assert step.images.shape == (8, 3, 8, 8)  # a batch of 4, twice
    assert not torch.equal(first, second)
    assert (first - second).abs().max() <= 0.1 / 0.25 + 1e-5  # in units of the standard deviation
    (cost,) = context.meters._phases
    assert cost.images == 2 * 12 * 2  # views × images × epochs
    assert cost.features.reason == "the phase trains on other images, or on changed ones"
    with pytest.raises(PhaseError, match="without labels"):
        _ = step.loss


def test_views_depend_on_the_seed_alone(tmp_path: Path) -> None:
    def images(drawn_before: int) -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def objective(step: Seen) -> torch.Tensor:
            torch.rand(drawn_before)  # as dropout would
            seen.append(step.images)
            return step.loss

        def phase(model: TransferModel) -> Phase:
            return Train(model.head, objective=objective, data=TrainData(views=3, augment=noisy))

        carried_out(tmp_path, phase)
        return torch.cat(seen)

    assert torch.equal(images(0), images(5))


def test_with_labels_each_view_has_its_images_label(tmp_path: Path) -> None:
    labels: list[torch.Tensor] = []

    def objective(step: Seen) -> torch.Tensor:
        labels.append(step.by_view(step.labels))
        return step.loss

    carried_out(tmp_path, lambda model: Train(model.head, objective=objective, data=TrainData(views=2, augment=noisy)))
    assert all(torch.equal(first, second) for first, second in labels)


def test_batches_of_another_dataset_come_beside_and_begin_again(tmp_path: Path) -> None:
    """Six far images in batches of four (4, 2, 4, …) beside twelve near ones: both datasets are learned at once."""
    sizes: list[tuple[int, int]] = []
    far = nn.Linear(4, 5)

    def objective(step: Seen) -> torch.Tensor:
        (beside,) = step.beside
        sizes.append((len(step.images), len(beside)))
        with step.model.watched((), head_input=True) as given:
            step.model.module(beside.images)
        outputs = far(next(iter(given.values())))
        return step.loss + step.model.dataset("far").objective.loss(outputs, beside.labels)

    def phase(model: TransferModel) -> Phase:
        return Train(model.everything, objective=objective, beside=(TrainData("far"),))

    found = others(tmp_path / "far", 6, classes=5)
    model = TransferModel(Small(), make_backbone("fc"))
    model.dataset = lambda name: found[name].described
    context = carried_out(tmp_path, phase, others=found, model=model)
    assert sizes[1:] == [(4, 4), (4, 2)] * 3  # after the probe: two epochs of three steps
    (cost,) = context.meters._phases
    assert cost.images == sum(map(sum, sizes[1:]))
    assert cost.steps.images == [8, 6] * 3


def test_steps_are_counted_by_the_phases_own_data(tmp_path: Path) -> None:
    found = others(tmp_path / "far", 6, classes=3)
    context = carried_out(
        tmp_path, lambda model: Train(model.everything, data=TrainData("far")), others=found
    )  # as wide as the head: plain training, by the other dataset's labels
    (cost,) = context.meters._phases
    assert cost.steps.images == [4, 2] * 2
    assert [epoch.val for epoch in context.progress.history] == [None, None]


def test_val_does_not_choose_among_epochs_that_learn_another_task(tmp_path: Path) -> None:
    setting = make_setting()
    protocol = setting.protocol.model_copy(update={"select": "best"})

    def history(data: TrainData | None) -> list[bool]:
        def phase(model: TransferModel) -> Phase:
            return Train(model.everything, objective=lambda step: step.features.square().mean(), data=data)

        context = carried_out(tmp_path, phase, setting=make_setting(protocol))
        return [epoch.val is None for epoch in context.progress.history]

    assert history(None) == [False, False]
    assert history(TrainData(labels=False)) == [True, True]


def test_the_forward_pass_and_the_tasks_loss_wait_until_they_are_read(tmp_path: Path) -> None:
    passes: list[int] = []

    class Counted(Small):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            passes.append(len(images))
            return super().forward(images)

    model = TransferModel(Counted(), make_backbone("fc"))
    conv = model.module.conv

    def objective(step: Seen) -> torch.Tensor:
        assert isinstance(conv, nn.Conv2d)
        return conv(step.images).square().mean()

    carried_out(tmp_path, lambda model: Train(model.body, objective=objective), model=model)
    assert passes == []


def test_outputs_read_without_a_gradient_first_have_one_all_the_same(tmp_path: Path) -> None:
    def objective(step: Seen) -> torch.Tensor:
        with torch.no_grad():
            confident = step.outputs.softmax(1).amax(1)
        assert step.outputs.requires_grad
        return (confident * step.outputs.square().sum(1)).mean()

    carried_out(tmp_path, lambda model: Train(model.everything, objective=objective))


def test_features_stay_those_of_the_batch_whatever_passes_an_objective_makes(tmp_path: Path) -> None:
    def objective(step: Seen) -> torch.Tensor:
        before = step.features
        step.model.module(torch.zeros_like(step.images))
        assert step.features is before
        return step.loss

    carried_out(tmp_path, lambda model: Train(model.everything, objective=objective))


def test_a_look_can_be_at_another_dataset(tmp_path: Path) -> None:
    counts: list[int] = []

    def count(_model: TransferModel, batches: Iterable[Batch]) -> None:
        counts.extend(len(batch) for batch in batches)

    carried_out(tmp_path, lambda _model: Look(count, TrainData("far")), others=others(tmp_path / "far", 7, classes=2))
    assert sorted(counts) == [3, 4]


WRONG = {
    "does not name it in its `datasets`": lambda model: Train(model.head, data=TrainData("moon")),
    "views of an image would be the same": lambda model: Train(model.head, data=TrainData(views=2)),
    "no objective to learn from them": lambda model: Train(model.head, data=TrainData(labels=False)),
    "has data beside its own, and no objective": lambda model: Train(model.head, beside=(TrainData(),)),
    "the task of the images has 5": lambda model: Train(model.head, data=TrainData("far")),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_learned_from_is_refused_by_name(tmp_path: Path, said: str) -> None:
    with pytest.raises(PhaseError, match=said):
        carried_out(tmp_path, WRONG[said], others=others(tmp_path / "far", 6, classes=5))


def test_a_number_of_views_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="views is 0; it must be at least 1"):
        TrainData(views=0)
