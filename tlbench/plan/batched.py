"""Which cells' seeds and rates are batched trials, one product of linear heads: decided before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench.contracts.strategy import Strategy
from tlbench.plan.cell import Cell
from tlbench.plan.request import Request

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


def is_batched(request: Request, cell: Cell, strategy: Strategy, model: TransferModel | None) -> bool:
    """Whether a cell's heads are trained in one product, on the features of their frozen body.

    The strategy says that it trains the head alone, the head is one linear layer, and the protocol asks for nothing
    that each head must have by itself. `model` has names and shapes, but no numbers.
    """
    protocol = cell.protocol
    return (
        strategy.head_only
        and model is not None
        and model.linear_head is not None
        and request.seeds * max(1, len(cell.tuned_rates)) > 1
        and request.features == "cache"
        and protocol.select == "last"
        and not protocol.augment
        and protocol.precision != "fp16"  # a scaled loss is scaled for all heads alike
        and protocol.plain_steps
        and not protocol.deterministic
    )
