"""A part of the model is trained, or its parts at different rates or times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Phase, Train, UserError, strategy
from tlbench_strategies import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.part import Part


class LastK(Options):
    """How far down to train."""

    k: int = Field(2, ge=0, description="how many of the last blocks are trained; all of them is full, 0 is freeze")


@strategy(
    "last-k",
    learning_rates=rates.LAST_BLOCKS,
    options=LastK,
    paper="Yosinski et al. 2014, How transferable are features in deep neural networks? arXiv:1411.1792",
    when="there is too little data or time for full; what is frozen is computed once",
)
def last_k(model: TransferModel, options: LastK) -> Iterator[Phase]:
    """Train the head and the last k blocks; the blocks before them stay as they are.

    A final norm or convolution head belongs to the last block; a class token and the embedding of positions belong to
    the first, the stem.
    """
    yield Train(tail(model, model.blocks, options.k))


def tail(model: TransferModel, parts: Sequence[Part], k: int) -> Part:
    """The head and the last k of the body's parts; with all of them, everything."""
    return model.everything if k >= len(parts) else reduce(or_, parts[len(parts) - k :], model.head)


class Gradual(Options):
    """In how many steps to unfreeze."""

    groups: int = Field(4, ge=1, description="how many groups of consecutive stages are unfrozen one after the other")


@strategy(
    "gradual-unfreeze",
    learning_rates=rates.FULL,
    options=Gradual,
    paper="Howard & Ruder 2018, Universal Language Model Fine-tuning for Text Classification, arXiv:1801.06146",
    when="full fine-tuning forgets too much at its start",
)
def gradual_unfreeze(model: TransferModel, options: Gradual) -> Iterator[Phase]:
    """Train the head, then the last group of stages with it, then the last two, … and in the end everything.

    With as many groups as stages or more, each stage is a group of its own. The epochs are shared equally among these
    phases; each has a warm-up and a schedule of its own. The paper's rates that fall with depth and its slanted
    triangular schedule are not part of it (`layer-decay` has the former).
    """
    stages = model.stages
    groups = min(options.groups, len(stages))
    for unfrozen in range(groups + 1):
        yield Train(tail(model, stages, -(-len(stages) * unfrozen // groups)), epochs=1 / (groups + 1))


class LayerDecay(Options):
    """How fast the rate falls from the head downwards."""

    decay: float = Field(0.75, gt=0, le=1, description="a block's rate over that of the block after it")


@strategy(
    "layer-decay",
    learning_rates=rates.LAYER_DECAY,
    options=LayerDecay,
    paper="Clark et al. 2020, ELECTRA, arXiv:2003.10555; Bao et al. 2022, BEiT, arXiv:2106.08254",
    when="a transformer is fine-tuned; low layers are general and want small rates",
)
def layer_decay(model: TransferModel, options: LayerDecay) -> Iterator[Phase]:
    """Train everything, each block at a fraction of the rate of the block after it.

    With L blocks, the head and what lies between it and the last block (a final norm, a convolution head) have the
    full rate, block i (from 1, the stem) decay^(L + 1 - i).
    """
    depth = len(model.blocks)
    rates = [(block, options.decay ** (depth - place)) for place, block in enumerate(model.blocks)]
    yield Train(model.everything, rates=[(model.head | model.neck, 1.0), *rates])


class LpFt(Options):
    """How the epochs are shared."""

    probe: float = Field(0.5, gt=0, lt=1, description="the share of the epochs in which the head alone is trained")


@strategy(
    "lp-ft",
    learning_rates=rates.FULL,
    options=LpFt,
    paper="Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features, arXiv:2202.10054",
    when="accuracy outside of the training distribution counts, too",
)
def lp_ft(model: TransferModel, options: LpFt) -> Iterator[Phase]:
    """Train the head at the rate of freeze, then everything from there at that of full.

    The two share the epochs; the paper trains the probe until it has converged.
    """
    yield Train(model.head, epochs=options.probe, lr=rates.head_factor(model))
    yield Train(model.everything, epochs=1 - options.probe)


@strategy(
    "bitfit",
    learning_rates=rates.FEW,
    paper="Ben Zaken et al. 2022, BitFit, arXiv:2106.10199",
    when="many fine-tuned variants of one model are kept: each is only its biases",
)
def bitfit(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train the head and all biases (those of normalisation layers too, whose statistics don't move)."""
    yield Train(model.head | model.biases)


@strategy(
    "norm-tuning",
    learning_rates=rates.FEW,
    paper="Mudrakarta et al. 2019, K for the Price of 1, arXiv:1810.10703; Frankle et al. 2021, arXiv:2003.00152",
    when="the images differ from the source's in their statistics more than in what is on them",
)
def norm_tuning(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train the head and the scales and shifts of the normalisation layers."""
    yield Train(model.head | model.norms)


class Surgical(Options):
    """Which block."""

    block: int = Field(0, description="the place of the paper's block, a stage: 0 is the first, -1 the last")


@strategy(
    "surgical",
    learning_rates=rates.ONE_STAGE,
    options=Surgical,
    paper="Lee et al. 2023, Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, arXiv:2210.11466",
    when="it is known where the target differs: early blocks for the look of images, late ones for their labels",
)
def surgical(model: TransferModel, options: Surgical) -> Iterator[Phase]:
    """Train the head and one stage that you choose; the paper calls a ResNet's four stages its blocks.

    The paper's labels are those of the source, so that it trains no new head; here there is one.
    The stem belongs to the first stage. Where an architecture has no stages (ViT), each of its blocks is one;
    `tlbench list backbones NAME -v` shows them.
    """
    stages = model.stages
    number = len(stages)
    if not -number <= options.block < number:
        raise UserError(
            f"surgical: there is no block {options.block}; the model has {number} stages, from 0 to {number - 1}"
        )
    yield Train(model.head | stages[options.block])


STRATEGIES = (last_k, gradual_unfreeze, layer_decay, lp_ft, bitfit, norm_tuning, surgical)
