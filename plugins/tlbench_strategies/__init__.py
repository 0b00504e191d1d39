"""The strategies that every comparison starts from: freeze, full and scratch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlbench import Options, Phase, Train, hookimpl, strategy

if TYPE_CHECKING:
    from tlbench.engine.model import TransferModel
    from tlbench.registry import RegisterStrategy

tlbench_api = 1


@strategy("freeze", learning_rates={"adamw": 3e-3})
def freeze(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train the head on the frozen backbone (linear evaluation; BatchNorm statistics don't move)."""
    yield Train(model.head)


@strategy("full", learning_rates={"adamw": 1e-3})
def full(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train every parameter, from the pretrained weights."""
    yield Train(model.everything)


@strategy("scratch", learning_rates={"adamw": 1e-3}, pretrained=False)
def scratch(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train every parameter, from random weights on purpose: what transfer is measured against."""
    yield Train(model.everything)


@hookimpl
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register the three."""
    for each in (freeze, full, scratch):
        register(each)
