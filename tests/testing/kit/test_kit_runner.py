"""A strategy carried out in a test's own process."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
import torch
from builders import make_dataset, make_split, noise
from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, TransferModel, UserError, Validate, strategy
from tlbench.contracts import Backbone
from tlbench.errors import PhaseError
from tlbench.testing import run_strategy
from tlbench.testing.kit.tiny import TinyCNN, tiny_images

RATES = {"adamw": 1e-2, "sgd": 1e-1}


class Half(Options):
    """How much of it."""

    share: float = Field(0.5, description="of the epochs")


@strategy("half", learning_rates=RATES, options=Half)
def half(model: TransferModel, options: Half) -> Iterator[Phase]:
    """The head, for a share of the epochs."""
    yield Train(model.head, epochs=options.share)


def test_it_gives_the_trained_module_the_metrics_and_the_phases() -> None:
    trained = run_strategy(half, epochs=20)
    (phase,) = trained.phases
    assert isinstance(phase.phase, Train) and phase.phase.epochs == 0.5
    assert set(phase.changed) == {"fc.weight", "fc.bias"}
    assert trained.learning_rate == RATES["adamw"]
    assert trained.images.shape == (12, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(trained.module(trained.images), trained.outputs)
    assert trained.test.keys() == trained.val.keys() >= {"accuracy", "nll"}
    assert torch.equal(trained.start["stem.0.weight"], trained.module.state_dict()["stem.0.weight"])


def test_the_images_can_be_learned() -> None:
    assert run_strategy("full", epochs=15).test["accuracy"] == 1.0


def test_seeds_differ_and_one_seed_gives_the_same() -> None:
    first, again, other = (run_strategy(half, seed=seed).outputs for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_options_are_given_as_objects_or_behind_the_name() -> None:
    (phase,) = run_strategy(half, options=Half(share=1.0)).phases
    assert isinstance(phase.phase, Train) and phase.phase.epochs == 1.0
    assert len(run_strategy("builtin/model-soup:rates=0.3+1").phases) > 4


def test_what_is_found_is_sent_back_and_a_model_may_be_rewritten() -> None:
    found: list[float] = []

    @strategy("measured", learning_rates=RATES)
    def measured(model: TransferModel, options: Options) -> Generator[Phase, Any, None]:
        before = model.snapshot()
        yield Train(model.everything)
        found.append((yield Validate()).value)
        yield Rewrite(lambda model: model.restore(before))

    trained = run_strategy(measured)
    assert 0 <= found[0] <= 1
    assert [type(each.phase).__name__ for each in trained.phases] == ["Train", "Validate", "Rewrite"]
    assert trained.phases[1].changed == ()
    assert all(torch.equal(each, trained.module.state_dict()[name]) for name, each in trained.start.items())


def test_backbone_and_dataset_may_be_others() -> None:
    plain = Backbone(lambda classes, image_size, pretrained: TinyCNN(classes), head="fc")
    dataset = make_dataset(make_split(noise(30, 8)), test=make_split(noise(9, 8, seed=1)))
    trained = run_strategy(half, backbone=plain, dataset=dataset, image_size=8)
    assert trained.images.shape == (9, 3, 8, 8) and trained.outputs.shape == (9, 2)


@pytest.mark.slow
def test_backbone_and_dataset_may_be_named() -> None:
    named = run_strategy("freeze", backbone="small_cnn", dataset="digits")
    assert named.outputs.shape == (60, 10)
    assert run_strategy("full", dataset=tiny_images("regression")).test["mae"] is not None


def test_the_process_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(3)
    run_strategy(half)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_what_the_engine_refuses_is_raised() -> None:
    @strategy("wrong", learning_rates=RATES)
    def wrong(model: TransferModel, options: Options) -> Iterator[Any]:
        yield "no phase"

    with pytest.raises(PhaseError, match="which is not a phase"):
        run_strategy(wrong)
    with pytest.raises(UserError, match="unknown strategy 'hlaf'"):
        run_strategy("hlaf")
