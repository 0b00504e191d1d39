"""Number formats and memory layouts: each tried by real steps, the fastest taken that computes what fp32 computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlbench.contracts.batch import Batch
from tlbench.engine.numerics import choose, measure
from tlbench.plan import Numerics
from tlbench.results.records import NumericsCandidate

CPU = torch.device("cpu")


class Fragile(nn.Module):
    """Its output is a small difference of large numbers: bf16 loses it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(images).mean((2, 3))
        logits: torch.Tensor = self.fc(features * 30 + 1e4) - self.fc(torch.full_like(features, 1e4))
        return logits


def a_batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(8, 3, 12, 12, generator=generator), torch.arange(8) % 4)


def robust() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )


def test_every_format_is_tried_by_steps_on_a_copy() -> None:
    module = robust()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = measure(module, a_batch(), cross_entropy)
    assert [(each.precision, each.memory_format) for each in found] == [
        ("fp32", "contiguous"), ("fp32", "channels_last"), ("bf16", "contiguous"), ("bf16", "channels_last"),
    ]  # fmt: skip
    with torch.no_grad():
        expected = cross_entropy(module.train()(a_batch().images), a_batch().labels)
    assert found[0].loss == pytest.approx(float(expected), rel=1e-5)
    assert found[1].loss == pytest.approx(float(expected), rel=1e-5)
    assert found[2].loss != found[0].loss
    assert all(each.step_ms > 0 and each.exact_enough for each in found)
    module.load_state_dict(before)


def test_a_format_that_computes_something_else_is_not_exact_enough() -> None:
    torch.manual_seed(0)
    exact = {each.precision: each.exact_enough for each in measure(Fragile(), a_batch(), cross_entropy)}
    assert exact == {"fp32": True, "bf16": False}


def candidate(**changes: Any) -> NumericsCandidate:
    values = {"precision": "fp32", "memory_format": "contiguous", "step_ms": 10.0, "loss": 2.0, "exact_enough": True}
    return NumericsCandidate.model_validate(values | changes)


def test_the_fastest_that_is_exact_enough_is_chosen() -> None:
    slow, fast = candidate(), candidate(memory_format="channels_last", step_ms=6.0)
    wrong = candidate(precision="bf16", step_ms=2.0, exact_enough=False)
    assert choose([slow, fast, wrong]) == Numerics(precision="fp32", memory_format="channels_last")
    right = candidate(precision="bf16", step_ms=2.0)
    assert choose([slow, fast, right]) == Numerics(precision="bf16", memory_format="contiguous")
    assert choose([]) == Numerics(precision="fp32", memory_format="channels_last")
    assert choose([], "contiguous") == Numerics(precision="fp32", memory_format="contiguous")


class TooMuch(nn.Module):
    """Runs out of memory, but not in channels_last order."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.is_contiguous():
            torch.empty(2**55)
        logits: torch.Tensor = self.fc(images.mean((2, 3)))
        return logits


def test_a_format_that_does_not_fit_into_memory_is_left_out() -> None:
    assert {each.memory_format for each in measure(TooMuch(), a_batch(), cross_entropy)} == {"channels_last"}


def test_a_model_that_can_not_be_trained_at_all_has_nothing_to_choose_from() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken")

    assert measure(Broken(), a_batch(), cross_entropy) == []
