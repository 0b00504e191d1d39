"""A strategy: a generator of phases, which tlbench carries out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field
from tlbench import Options, Train, strategy

if TYPE_CHECKING:
    from tlbench import Phase, TransferModel  # which would import torch


class HeadFirstOptions(Options):
    """Given behind the name: `head-first:head=0.5:decay=0.9`. They are checked before anything runs."""

    head: float = Field(0.3, gt=0, lt=1, description="share of the epochs that train the head alone")
    decay: float = Field(0.7, gt=0, le=1, description="learning rate of a block as a factor of that of the next one")


@strategy(
    "head-first",
    options=HeadFirstOptions,
    learning_rates={"adamw": 1e-3, "sgd": 1e-2},  # the default, where a run gives no --lr
    paper="Howard & Ruder 2018, arXiv:1801.06146 (discriminative learning rates)",
    when="a new head's first gradients should not reach the pretrained blocks",
)
def head_first(model: TransferModel, options: HeadFirstOptions) -> Iterator[Phase]:
    """Train the head first, then everything, each block at a lower rate than the next one."""
    # while the head alone is trained, the rest is frozen: tlbench computes its features once
    yield Train(model.head, epochs=options.head)
    # epochs are shares of the run's epochs, rates are factors of the strategy's learning rate
    rates = [(block, options.decay**depth) for depth, block in enumerate(reversed(model.blocks), start=1)]
    yield Train(model.everything, epochs=1 - options.head, rates=rates)
