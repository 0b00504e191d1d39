"""A large model filled with what a small one of its family has learned, tensor by tensor."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tlbench import Look, Options, Phase, Rewrite, Train, strategy
from tlbench_growth import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel
    from tlbench_growth.resample import Method


class FromSmaller(Options):
    """Whose tensors, and what of blocks that it has not."""

    small: str = Field(description="the small backbone, of the same family; it starts from its published weights")
    repeated: Literal["copy", "identity"] = Field(
        "copy", description="further residual blocks than the small one has: copies, or branches that end with 0"
    )


def smaller(options: FromSmaller) -> tuple[str, ...]:
    """The backbones that are needed besides the large one."""
    return (options.small,)


def can_be_filled(model: TransferModel, options: FromSmaller) -> str | None:
    """Why a model can't be filled from the small one, if so; not judged where no other backbone can be built."""
    from tlbench_growth.families import why_not

    try:
        small = model.another(options.small)
    except LookupError:
        return None
    return why_not(model, small, options.small)


def filled(model: TransferModel, options: FromSmaller, method: Method) -> Generator[Phase, Any, None]:
    """Fill the model, note how far its function is from the small one's, and train everything."""
    from tlbench_growth.moved import answers
    from tlbench_growth.resample import fill

    small = model.another(options.small)
    identity = options.repeated == "identity"
    yield Rewrite(lambda model: fill(model, small, method, identity=identity))
    said = yield Look(lambda _model, batches: answers(small, batches))
    model.notes["small_parameters"] = sum(each.numel() for each in small.module.parameters())
    model.notes["function_moved"] = yield Look(lambda model, _batches: said.moved(model))
    yield Train(model.everything)


@strategy(
    "weight-selection",
    learning_rates=rates.FULL,
    options=FromSmaller,
    pretrained=False,
    serves=can_be_filled,
    others=smaller,
    paper="Xu et al. 2024, Initializing Models with Larger Ones, arXiv:2311.18823, whose rule is read backwards",
    when="weights are published of a small model of a family, and the large one is to be trained",
)
def weight_selection(model: TransferModel, options: FromSmaller) -> Generator[Phase, Any, None]:
    """Fill the large model with elements of a small one's tensors, and train everything.

    The paper makes a small model of a large one: from each dimension of each tensor it selects elements at even
    distances. Here the small one is given, and each place of a large tensor gets the element that lies at the same
    relative place in the small tensor, so that selecting from the large model gives the small one back. Weights of
    layers are divided by how many times more inputs they have; the paper scales nothing. Blocks are matched stage by
    stage, first with first, the others evenly; the paper takes the first of the large model's. The head is filled from
    a new head of the small model, so that `function_moved` in the record's notes can tell how far the large model's
    outputs are from the small one's: 0 where widths are whole multiples, in networks of convolutions and BatchNorm that
    pool before the head, and repeated blocks are identities.
    """
    yield from filled(model, options, "nearest")


@strategy(
    "interpolate",
    learning_rates=rates.FULL,
    options=FromSmaller,
    pretrained=False,
    serves=can_be_filled,
    others=smaller,
    paper="no paper: linear interpolation, to compare weight-selection with",
    when="weight-selection is tried, to see whether copies or values between two channels are the better start",
)
def interpolate(model: TransferModel, options: FromSmaller) -> Generator[Phase, Any, None]:
    """Fill the large model by interpolating a small one's tensors linearly in each dimension, and train everything.

    All else is as in weight-selection. Neighbouring channels have no order, so that what lies between two of them need
    not mean anything; kernels and position embeddings have one. Nothing is promised of the function unless all widths
    are the same.
    """
    yield from filled(model, options, "linear")


STRATEGIES = (weight_selection, interpolate)
