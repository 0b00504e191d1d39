"""SSF: a factor and an offset for each channel after each layer, merged into the layers at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tlbench import Options, Phase, Rewrite, Train, strategy
from tlbench_peft import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


def rebuild(model: TransferModel, _options: Options, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give layers without a bias the one that merging left them."""
    from tlbench_peft.scaled import add_biases

    add_biases(model, shapes)


@strategy(
    "ssf",
    learning_rates=rates.SCALES,
    rebuild=rebuild,
    paper="Lian et al. 2022, Scaling & Shifting Your Features, arXiv:2210.08823",
    when="the fine-tuned model must cost no more than the backbone, and little is to be trained",
)
def ssf(model: TransferModel, _options: Options) -> Iterator[Phase]:
    """Train the head, and a factor and an offset for each channel that a layer of the body gives; merged at the end.

    The layers are linear layers, convolutions and normalisations, but for subclasses that compute in their own way.
    Factors start at 1 and offsets at 0, so that the model starts as the backbone; in the paper both are drawn around
    these values, with a standard deviation of 0.02.
    """
    from tlbench_peft.scaled import merge, scaled_part, wrap

    yield Rewrite(wrap)
    yield Train(model.head | scaled_part(model))
    yield Rewrite(merge)
