"""A CLIP-style zero-shot head: the classes' text embeddings are its weights (Radford et al. 2021, arXiv:2103.00020).

The embeddings are made once, by the text encoder that belongs to the backbone, and kept in a file, a row for each class
name: `safetensors.torch.save_file({"forest": vector, "river": vector, …}, "classes.safetensors")`.
"""

from pathlib import Path

from pydantic import Field

from tlbench import Options, Rewrite, UserError, hookimpl, strategy

tlbench_api = 1


class ZeroShotOptions(Options):
    """Where the embeddings lie."""

    embeddings: Path = Field(description="a safetensors file with a vector for each class name")


def check(options):
    """Refuse a missing file before anything runs."""
    if not options.embeddings.is_file():
        raise UserError(f"strategy zero-shot: there is no file {options.embeddings}; write the embeddings there")


@strategy("zero-shot", learning_rates={}, options=ZeroShotOptions, tasks=("single-label",))
def zero_shot(model, options):
    """Classify by the cosine to the classes' embeddings; nothing is trained.

    An image's norm changes no order of its classes, so the head stays a linear layer, whose rows have length 1.
    """
    import torch
    from safetensors.torch import load_file

    vectors = load_file(options.embeddings)
    missing = [name for name in model.classes if name not in vectors]
    if missing:
        raise LookupError(f"{options.embeddings} has no embedding of {', '.join(missing)}")
    rows = torch.nn.functional.normalize(torch.stack([vectors[name] for name in model.classes]), dim=1)

    @torch.no_grad()
    def set_head(model):
        model.linear_head.weight.copy_(rows)
        model.linear_head.bias.zero_()

    yield Rewrite(set_head)


@hookimpl
def tlbench_register_strategies(register):
    register(zero_shot, check=check)
