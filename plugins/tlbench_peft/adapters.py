"""Adapters: a small bottleneck after each block."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tlbench import Look, Options, Phase, Rewrite, Train, strategy
from tlbench_peft import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


class Bottleneck(Options):
    """How narrow."""

    width: int = Field(16, ge=1, description="channels of the bottleneck")


def rebuild(model: TransferModel, options: Bottleneck, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Put adapters where the saved tensors have some."""
    from tlbench_peft.bottleneck import insert_as

    insert_as(model, shapes)


@strategy(
    "adapter",
    learning_rates=rates.ADAPTERS,
    options=Bottleneck,
    rebuild=rebuild,
    paper="Houlsby et al. 2019, arXiv:1902.00751; once a block: Pfeiffer et al. 2021, arXiv:2005.00247; in CNNs: "
    "Rebuffi et al. 2018, arXiv:1803.10082",
    when="many tasks share one frozen body, each with its own small part",
)
def adapter(model: TransferModel, options: Bottleneck) -> Generator[Phase, Any, None]:
    """Train the head, and after each block h + up(gelu(down(h))), where down and up are linear (1×1 on feature maps).

    `up` starts at 0, so that the model starts as the backbone. Being nonlinear, adapters stay in the model. They are
    behind the block's residual sum, and norms stay frozen; Houlsby et al. have two within each block, before the sums,
    and train its norms, and Rebuffi et al. put a 1×1 convolution beside every convolution.
    """
    from tlbench_peft.bottleneck import adapter_part, insert, widths_of

    widths = yield Look(widths_of)
    yield Rewrite(lambda model: insert(model, widths, options.width))
    yield Train(model.head | adapter_part(model))
