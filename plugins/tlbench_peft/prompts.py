"""VPT: learned tokens that every attention layer of a vision transformer looks at besides the image's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, strategy

if TYPE_CHECKING:
    from tlbench.engine.model import TransferModel


class Prompts(Options):
    """How many."""

    tokens: int = Field(10, ge=1, description="learned tokens for each attention layer")


def has_attention(model: TransferModel, _options: Prompts) -> str | None:
    """Why a model can't be prompted, if so."""
    from tlbench_peft.prompted import attention_layers

    if attention_layers(model):
        return None
    kinds = sorted(
        {type(each).__name__ for each in model.module.modules() if "attention" in type(each).__name__.lower()}
    )
    found = f"what it has is {', '.join(kinds)}" if kinds else "it has no attention"
    return f"prompts need timm's Attention or PyTorch's MultiheadAttention on tokens N×T×C, and {found}"


@strategy(
    "vpt",
    learning_rates={"adamw": 1e-2, "sgd": 0.3},
    options=Prompts,
    serves=has_attention,
    paper="Jia et al. 2022, Visual Prompt Tuning (deep), arXiv:2203.12119; the gates: Zhang et al. 2023, "
    "LLaMA-Adapter, arXiv:2303.16199, eq. 8",
    when="one frozen transformer serves many tasks, each with a few tokens",
)
def vpt(model: TransferModel, options: Prompts) -> Iterator[Phase]:
    """Train the head, and for each attention layer some tokens that all others look at.

    What they see there comes in through a gate for each head, tanh(g), which starts at 0, so that the model starts as
    the backbone; without it, as in the paper on VPT, tokens would change the output before the first step. They stay in
    the model.
    """
    from tlbench_peft.prompted import prompt_part, wrap

    yield Rewrite(lambda model: wrap(model, options.tokens))
    yield Train(model.head | prompt_part(model))
