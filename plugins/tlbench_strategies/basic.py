"""What every comparison starts from: freeze, full and scratch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlbench import Options, Phase, Train, strategy
from tlbench_strategies import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


@strategy(
    "freeze", learning_rates=rates.HEAD, head_only=True, when="first of all: it is cheap, and a floor for the rest"
)
def freeze(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train the head on the frozen backbone (linear evaluation; BatchNorm statistics don't move)."""
    yield Train(model.head)


@strategy("full", learning_rates=rates.FULL, when="there is enough data and time to train all of it")
def full(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train every parameter, from the pretrained weights."""
    yield Train(model.everything)


@strategy(
    "scratch",
    learning_rates=rates.SCRATCH,
    pretrained=False,
    when="to see what the pretrained weights are worth",
)
def scratch(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train every parameter, from random weights on purpose: what transfer is measured against."""
    yield Train(model.everything)
