"""Two pieces of models have one digest where they compute the same function, and only there."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import fx, nn

from tlbench.engine.identity import function_digest


class Scaled(nn.Module):
    """Multiplies by a buffer that no state dict has."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.factor


class Whole(nn.Module):
    """A layer that fx can't trace, with a setting of its own and a function to apply."""

    def __init__(self, power: int = 1, apply: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> None:
        super().__init__()
        self.power, self.apply_it = power, apply

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.apply_it(inputs**self.power) if float(inputs.sum()) > 0 else inputs


class Leafy(fx.Tracer):
    """Keeps `Whole` whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Whole) or super().is_leaf_module(m, module_qualified_name)


def digest_of(*layers: nn.Module) -> str:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), *layers).eval()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    return function_digest(fx.GraphModule(model, Leafy().trace(model)))


def scaling(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda given: given * factor


def hooked(factor: float) -> nn.Module:
    layer = nn.ReLU()
    layer.register_forward_hook(lambda _module, _inputs, output: output * factor)
    return layer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nn.ReLU, nn.SiLU),
        (lambda: nn.MaxPool2d(2), lambda: nn.AvgPool2d(2)),
        (lambda: nn.MaxPool2d(2), lambda: nn.MaxPool2d(2, stride=1)),
        (lambda: nn.BatchNorm2d(4), lambda: nn.BatchNorm2d(4, eps=1.0)),
        (lambda: nn.GroupNorm(2, 4), lambda: nn.GroupNorm(4, 4)),
        (lambda: nn.LeakyReLU(0.1), lambda: nn.LeakyReLU(0.2)),
        (lambda: Scaled(2.0), lambda: Scaled(3.0)),
        (lambda: Whole(1), lambda: Whole(2)),
        (lambda: Whole(1, torch.relu), lambda: Whole(1, torch.tanh)),
        (lambda: Whole(1, scaling(2.0)), lambda: Whole(1, scaling(3.0))),
        (
            lambda: Whole(1, functools.partial(torch.clamp, max=1)),
            lambda: Whole(1, functools.partial(torch.clamp, max=2)),
        ),
        (lambda: hooked(2.0), lambda: hooked(3.0)),
    ],
)
def test_what_computes_something_else_has_another_digest(
    one: Callable[[], nn.Module], other: Callable[[], nn.Module]
) -> None:
    assert digest_of(one()) == digest_of(one())
    assert digest_of(one()) != digest_of(other())


def test_tensors_count_to_the_last_bit() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
    piece = fx.symbolic_trace(model)
    before = function_digest(piece)
    assert function_digest(piece) == before
    with torch.no_grad():
        bias: torch.Tensor = model[0].bias  # type: ignore[assignment]
        bias[0] = torch.nextafter(bias[0], torch.tensor(9.0))
    assert function_digest(piece) != before
