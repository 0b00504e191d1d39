"""Net2Net: a model is made wider or deeper without changing what it computes, and trained on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tlbench import Look, Options, Phase, Rewrite, Train, strategy
from tlbench_growth import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

Grow = Callable[["TransferModel"], Generator[Phase, Any, None]]
"""The phases that make a model larger."""
PAPER = "Chen, Goodfellow & Shlens 2016, Net2Net: Accelerating Learning via Knowledge Transfer, arXiv:1511.05641"


class Growth(Options):
    """When it grows, and from what it starts."""

    before: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="share of the epochs for which the small model is trained; the large one has the rest",
    )
    start: Literal["grown", "random"] = Field(
        "grown",
        description="random: the larger model from random weights, for all epochs: what growth is compared with",
    )


class Wider(Growth):
    """How much wider."""

    factor: float = Field(2.0, gt=1, description="what the numbers of channels are multiplied by, rounded up")
    trunk: bool = Field(
        False, description="also widen what residual blocks add to; else, in these, the layers inside of branches alone"
    )
    split: Literal["random", "even"] = Field(
        "random", description="how copies of a unit share the weights of the layer behind; even: all alike (the paper)"
    )
    noise: float = Field(
        0.0, ge=0, description="noise on the copies' weights, over the deviation of the layer's; moves the function"
    )


class Deeper(Growth):
    """How much deeper."""

    blocks: int = Field(1, ge=1, description="layers (in a residual network: blocks) that each stage gets")


def grown(model: TransferModel, options: Growth, grow: Grow) -> Generator[Phase, Any, None]:
    """Train the small model, make it larger, and train the large one; notes how far the function has moved."""
    from tlbench_growth.fresh import draw_again
    from tlbench_growth.moved import answers

    if options.start == "random":
        yield from grow(model)
        yield Rewrite(draw_again)
        yield Train(model.everything)
        return
    if options.before:
        yield Train(model.everything, epochs=options.before)
    model.notes["small_parameters"] = sum(each.numel() for each in model.module.parameters())
    small = yield Look(answers)
    yield from grow(model)
    model.notes["function_moved"] = yield Look(lambda model, _batches: small.moved(model))
    yield Train(model.everything, epochs=1 - options.before)


def widen(model: TransferModel, options: Wider) -> None:
    """The structure of the wider model, and its numbers."""
    from tlbench_growth import wider

    wider.widen(model, options.factor, trunk=options.trunk, split=options.split, noise=options.noise)


def can_widen(model: TransferModel, options: Wider) -> str | None:
    """Why a model can't be made wider, if so."""
    from tlbench_growth import wider

    return wider.why_not(model, options.trunk)


def deepen(model: TransferModel, options: Deeper) -> None:
    """The structure of the deeper model."""
    from tlbench_growth import deeper

    deeper.deepen(model, options.blocks, {})


def can_deepen(model: TransferModel, _options: Deeper) -> str | None:
    """Why a model can't be made deeper, if so."""
    from tlbench_growth import deeper

    return deeper.why_not(model)


@strategy(
    "net2wider",
    learning_rates=rates.FULL,
    options=Wider,
    serves=can_widen,
    rebuild=lambda model, options, _shapes: widen(model, options),
    paper=f"{PAPER}, Net2WiderNet",
    when="a trained model has become too small for its task, and training a wider one from scratch costs too much",
)
def net2wider(model: TransferModel, options: Wider) -> Generator[Phase, Any, None]:
    """Train the model, replace each hidden channel by copies that compute the same together, and train the wider one.

    Channels between two layers are multiplied by `factor`, chosen at random for copying; the weights of the layer
    behind are divided among a channel's copies. Convolutions (full and depthwise), linear layers, BatchNorm and
    activations between them are followed through the model's graph; what they are given to beyond that (attention,
    concatenation, LayerNorm) keeps its width. The outputs stay the same, in training mode too, but for dropout and
    noise. In the paper copies share evenly, and noise or dropout makes them differ; here the shares are drawn for each
    of their outputs, so that gradients differ and the function stays. `function_moved` in the record's notes has the
    largest difference of outputs on a batch, over the largest output.
    """

    def grow(_model: TransferModel) -> Generator[Phase, Any, None]:
        yield Rewrite(lambda model: widen(model, options))

    yield from grown(model, options, grow)


@strategy(
    "net2deeper",
    learning_rates=rates.FULL,
    options=Deeper,
    serves=can_deepen,
    rebuild=lambda model, options, _shapes: deepen(model, options),
    paper=f"{PAPER}, Net2DeeperNet",
    when="a trained model is to become deeper, without a start at random weights",
)
def net2deeper(model: TransferModel, options: Deeper) -> Generator[Phase, Any, None]:
    """Train the model, put layers into each stage that give what they are given, and train the deeper one.

    In a plain chain, the layers are put behind a stage's last ReLU, with the kernel of the one before it, as an
    identity; a BatchNorm with them has the statistics of some training images there, and factors and offsets that undo
    it. In a residual network, blocks like the stage's last one follow it, with new weights and branches that end with
    0. The outputs stay the same in eval mode; in training mode, too, but for BatchNorms in plain chains, which take
    each batch's own statistics. `function_moved` in the record's notes is as in net2wider.
    """
    from tlbench_growth import deeper

    def grow(model: TransferModel) -> Generator[Phase, Any, None]:
        at = deeper.places(model)
        known = yield Look(lambda model, batches: deeper.statistics(model, batches, at))
        yield Rewrite(lambda model: deeper.deepen(model, options.blocks, known))

    yield from grown(model, options, grow)


STRATEGIES = (net2wider, net2deeper)
