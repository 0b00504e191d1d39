"""What finished models are measured on besides test: plain where nothing is corrupted, alike with a shared body."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from builders import Small, make_backbone, make_cell, make_context, make_images

from tlbench import strategy
from tlbench.contracts.model import TransferModel
from tlbench.engine.context import Context
from tlbench.engine.cut import cut
from tlbench.engine.evaluate import predict
from tlbench.engine.feed import Feed
from tlbench.plan import Trial
from tlbench.trial.robustness import NOT_ASKED, Model, Robustness, measure_robustness


@strategy("nothing", learning_rates={})
def nothing(model: Any, options: Any) -> Any:
    yield from ()


def measured(context: Context, models: dict[int, Model], pieces: Any = None, **strengths: Any) -> dict[int, Robustness]:
    """Of the context's images, under corruptions of some strengths."""
    job: Any = SimpleNamespace(trial=Trial(cell=make_cell(corruptions=strengths), seed=0))
    registry: Any = None  # no other dataset is asked for
    return measure_robustness(context, job, registry, context.data.train, models, pieces)


def plain_accuracy(context: Context) -> float:
    images = context.data.train
    seen = predict(context.model.module, Feed(images, context.model.module), images.indices, context.setting)
    return seen.value


def test_of_no_strength_the_figure_is_the_plain_one_and_the_mean_is_of_all(tmp_path: Path) -> None:
    context = make_context(tmp_path, nothing)
    found = measured(context, {0: Model(lambda: None, {})}, noise=(0.0,) * 5, contrast=(1.0, 1.0, 1.0, 0.0, 0.0))[0]
    plain = plain_accuracy(context)
    assert found.corruptions is not None
    assert found.corruptions.by_corruption["noise"] == [plain] * 5
    assert found.corruptions.by_corruption["contrast"][:3] == [plain] * 3
    curve = [*found.corruptions.by_corruption["noise"], *found.corruptions.by_corruption["contrast"]]
    assert found.corrupted == pytest.approx(sum(value or 0.0 for value in curve) / 10)
    assert context.meters.spans.seconds.keys() >= {"robustness"} and found.seconds is not None


def test_where_nothing_is_asked_for_nothing_is_measured(tmp_path: Path) -> None:
    context = make_context(tmp_path, nothing)
    assert measured(context, {0: Model(lambda: None, {})}) == {0: NOT_ASKED}
    assert "robustness" not in context.meters.spans.seconds


class Fragile(Small):
    """Gives what is no finite number for images of little contrast."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) / (images.std() > 0.5)


def test_a_figure_that_can_not_be_had_is_null_and_so_is_each_mean_of_it(tmp_path: Path) -> None:
    context = make_context(tmp_path, nothing, model=TransferModel(Fragile(), make_backbone("fc")))
    found = measured(
        context, {0: Model(lambda: None, {})}, contrast=(1.0, 0.9, 0.8, 0.1, 0.0), noise=(0.0,) * 5
    )[0]  # fmt: skip
    assert found.corruptions is not None
    known = [value is not None for value in found.corruptions.by_corruption["contrast"]]
    assert known == [True, True, True, False, False]
    assert [value is not None for value in found.corruptions.by_severity] == known
    assert None not in found.corruptions.by_corruption["noise"] and found.corrupted is None


def test_what_goes_wrong_is_a_note_and_no_failure_of_the_trial(tmp_path: Path) -> None:
    notes: dict[str, Any] = {}
    found = measured(make_context(tmp_path, nothing), {0: Model(lambda: None, notes)}, nonsense=(1.0,) * 5)
    assert found == {0: Robustness()} and notes == {"robustness": "not measured: KeyError: 'nonsense'"}


def test_heads_of_a_shared_body_have_what_each_has_as_a_whole_model(tmp_path: Path) -> None:
    """With a body of random weights, two heads that are unlike."""
    torch.manual_seed(0)
    context = make_context(tmp_path, nothing)
    module = context.model.module
    module.eval().conv.requires_grad_(False)
    images = make_images(tmp_path, 12).batch(torch.arange(12)).images
    pieces = cut(module, images, after=("fc",))
    weights = {seed: torch.randn(3, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)}

    def put(seed: int) -> None:
        with torch.no_grad():
            module.fc.weight.copy_(weights[seed])

    models = {seed: Model(partial(put, seed), {}) for seed in weights}
    strengths = {"noise": (0.1, 0.2, 0.3, 0.4, 0.5), "impulse": (0.1, 0.2, 0.3, 0.4, 0.5)}
    shared = measured(context, models, pieces, **strengths)
    assert shared[0].corruptions != shared[1].corruptions
    for seed, model in models.items():
        assert measured(context, {seed: model}, **strengths)[seed].corruptions == shared[seed].corruptions
