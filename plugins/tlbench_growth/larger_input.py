"""From a low input dimension to a high one: larger images, more channels."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tlbench import Look, Options, Phase, Rewrite, Train, strategy
from tlbench_growth import rates

if TYPE_CHECKING:
    from tlbench.contracts.batch import Batch
    from tlbench.contracts.model import TransferModel
    from tlbench_growth.moved import Answers


class FromSaved(Options):
    """What it starts from."""

    model: Path = Field(description="the folder of a saved model of the same architecture: results/RUN/models/TRIAL_ID")


def can_grow(model: TransferModel, options: FromSaved) -> str | None:
    """Why a model can't be filled from the saved one, if so; raises UserError where there is none."""
    from tlbench.toolkit import open_body
    from tlbench_growth.inputs import why_not

    if model.linear_head is None:
        return "its head is not one linear layer"
    return why_not(model, open_body(options.model.expanduser()).shapes)


@strategy(
    "grow-input",
    learning_rates=rates.FULL,
    options=FromSaved,
    pretrained=False,
    serves=can_grow,
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, sec. 3.2, of position embeddings",
    when="a model was trained on small or gray images, and larger ones, or ones of more channels, are at hand",
)
def grow_input(model: TransferModel, options: FromSaved) -> Generator[Phase, Any, None]:
    """Fill the model with a saved one of the same architecture for smaller images or fewer channels, and train it.

    Position embeddings are interpolated bicubically on their grid of patches; kernels, and the weights of a linear
    layer on a flattened map, bilinearly, and divided by how many times more places there are. A first convolution for
    more channels has those of the saved model in turns (gray for all of RGB, RGB in turns for more), divided by how
    often each comes. `function_moved` in the record's notes is how far the outputs are from the saved model's, with the
    same new head, on the images made small, over its largest output: 0 where only channels have been added, and these
    are equal.
    """
    from tlbench.toolkit import open_body
    from tlbench_growth.inputs import fill

    body = open_body(options.model.expanduser())
    wanted = body.document.preprocessing
    head = model.linear_head
    assert head is not None
    small = body.build(head.out_features, wanted.image_size, with_tensors=True).to(head.weight.device)
    said = yield Look(lambda _model, batches: _says(small, batches, len(wanted.mean), wanted.image_size))
    yield Rewrite(lambda model: fill(model, small.state_dict()))
    model.notes["saved_model"] = body.digest
    model.notes["function_moved"] = yield Look(lambda model, _batches: said.moved(model))
    yield Train(model.everything)


def _says(small: Any, batches: Iterable[Batch], channels: int, size: int) -> Answers:
    """The first batch, and what the small model says of its images made small."""
    import torch

    from tlbench_growth.inputs import smaller_images
    from tlbench_growth.moved import Answers

    images = next(iter(batches)).images
    with torch.no_grad():
        return Answers(images, small.eval()(smaller_images(images, channels, size)).float())


STRATEGIES = (grow_input,)
