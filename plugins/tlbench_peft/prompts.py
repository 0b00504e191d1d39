"""VPT: learned tokens among those of an image, in a frozen vision transformer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, strategy
from tlbench_peft import rates

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel


class Prompts(Options):
    """How many, and where."""

    tokens: int = Field(10, ge=1, description="learned tokens in the sequence")
    depth: Literal["deep", "shallow"] = Field(
        "deep", description="deep: each block is given new tokens; shallow: the first block's go through all blocks"
    )


def takes_tokens(model: TransferModel, _options: Prompts) -> str | None:
    """Why a model can't be prompted, if so."""
    from tlbench_peft.prompted import why_not

    reason = why_not(model)
    return reason and f"prompts are more tokens for a plain vision transformer's blocks, and {reason}"


def rebuild(model: TransferModel, options: Prompts, _shapes: object) -> None:
    """Insert as many tokens again."""
    from tlbench_peft.prompted import insert

    insert(model, options.tokens, deep=options.depth == "deep")


@strategy(
    "vpt",
    learning_rates=rates.PROMPTS,
    options=Prompts,
    serves=takes_tokens,
    rebuild=rebuild,
    paper="Jia et al. 2022, Visual Prompt Tuning, arXiv:2203.12119, eq. 4 to 8",
    when="one frozen transformer serves many tasks, each with a few tokens",
)
def vpt(model: TransferModel, options: Prompts) -> Iterator[Phase]:
    """Train the head, and tokens that stand between the class token and the image's and go through the blocks.

    They take part in attention and in the MLPs as the others do. Behind the last block they are removed: pooling, the
    last norm and the head see the image's own tokens. With `deep`, they are removed behind every block, and the next
    one is given others. Tokens change the output from the start, so that the model does not begin as the backbone. They
    stay in the model. The paper's dropout of prompts is left out; it searches rates and weight decays for each task.
    """
    from tlbench_peft.prompted import insert, prompt_part

    yield Rewrite(lambda model: insert(model, options.tokens, deep=options.depth == "deep"))
    yield Train(model.head | prompt_part(model))
