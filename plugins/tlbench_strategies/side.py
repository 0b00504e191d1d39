"""A small network of its own beside the frozen body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, strategy
from tlbench_strategies import rates
from tlbench_strategies.closed_form import ends_in_linear

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


class Side(Options):
    """How large the side network is, and how much it counts at the start."""

    width: int = Field(
        32,
        ge=1,
        description="channels of the first convolution; each of the other three has twice as many as the one before",
    )
    alpha: float = Field(0.5, gt=0, lt=1, description="the body's share of what the head is given, at the start")


def rebuild(model: TransferModel, options: Side, _shapes: object) -> None:
    """Put the side network beside the body again."""
    from tlbench_strategies.side_network import add_side_network

    add_side_network(model, options.width, options.alpha)


@strategy(
    "side-tuning",
    learning_rates=rates.SIDE,
    options=Side,
    serves=ends_in_linear,
    rebuild=rebuild,
    paper="Zhang et al. 2020, Side-Tuning: A Baseline for Network Adaptation via Additive Side Networks, "
    "arXiv:1912.13503",
    when="nothing of the source may be forgotten, and the frozen features lack something",
)
def side_tuning(model: TransferModel, options: Side) -> Iterator[Phase]:
    """Train the head and a small convolutional network on the images, whose features are mixed with the frozen body's.

    The head is given alpha · body + (1 - alpha) · side, with alpha a sigmoid of a trained number. The side network's
    last layer starts at 0 (the paper's low-energy initialisation). It stays in the model.
    """
    from tlbench_strategies.side_network import add_side_network, side_part

    yield Rewrite(lambda model: add_side_network(model, options.width, options.alpha))
    yield Train(model.head | side_part(model))


STRATEGIES = (side_tuning,)
