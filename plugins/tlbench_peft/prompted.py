"""Learned tokens among those that the blocks of a vision transformer are given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from timm.layers.helpers import to_2tuple
from timm.models import vision_transformer as timm_vit
from torch import nn
from torchvision.models import vision_transformer as torchvision_vit

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part

BLOCKS: tuple[type[nn.Module], ...] = (
    timm_vit.Block, timm_vit.ResPostBlock, timm_vit.ParallelScalingBlock, timm_vit.DiffParallelScalingBlock,
    timm_vit.ParallelThingsBlock, torchvision_vit.EncoderBlock,
)  # fmt: skip
"""Blocks that take N×T×C tokens alone, of any number, and know nothing of where a token stands."""
ABOUT_PLACES = {
    "rotary embedding": ("rope", "rotary"),
    "relative positions": ("relpos", "rel_pos", "relative_position", "attention_biases"),
    "windows": ("window",),
}
"""Words in the names of layers and tensors that tell what attention makes of places."""


@dataclass(frozen=True)
class Layout:
    """A vision transformer's sequence: where its blocks are, tokens before those of patches, and sizes."""

    blocks: str
    prefix: int
    width: int
    patch: tuple[int, int]


class Insert(nn.Module):
    """Learned tokens behind the first `prefix` of N×T×C tokens."""

    def __init__(self, prefix: int, tokens: int, width: int, bound: float, device: torch.device) -> None:
        super().__init__()
        self.prefix = prefix
        self.tokens = nn.Parameter(torch.empty(tokens, width, device=device).uniform_(-bound, bound))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """More tokens."""
        learned = self.tokens.expand(given.shape[0], -1, -1).type_as(given)
        return torch.cat([given[:, : self.prefix], learned, given[:, self.prefix :]], 1)


class Remove(nn.Module):
    """N×T×C tokens without the `tokens` behind the first `prefix`."""

    def __init__(self, prefix: int, tokens: int) -> None:
        super().__init__()
        self.prefix = prefix
        self.tokens = tokens

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Fewer tokens."""
        return torch.cat([given[:, : self.prefix], given[:, self.prefix + self.tokens :]], 1)


def layout(module: nn.Module) -> Layout | None:
    """The layout of timm's and torchvision's vision transformers; None of any other module."""
    if isinstance(module, torchvision_vit.VisionTransformer):
        return Layout("encoder.layers", 1, module.hidden_dim, (module.patch_size, module.patch_size))
    if isinstance(module, timm_vit.VisionTransformer):
        height, width = to_2tuple(module.patch_embed.patch_size)
        return Layout("blocks", module.num_prefix_tokens, module.embed_dim, (height, width))
    return None


def why_not(model: TransferModel) -> str | None:
    """Why no tokens can be inserted into a model's sequence, if so."""
    found = layout(model.module)
    if found is None:
        kind = type(model.module).__name__
        return f"{kind} is not the VisionTransformer of timm or torchvision: it has {_attention(model.module)}"
    kinds = {type(block) for block in model.module.get_submodule(found.blocks).children()}
    strange = sorted(kind.__name__ for kind in kinds if kind not in BLOCKS)
    return f"its blocks are of another kind: {', '.join(strange)}" if strange else None


def insert(model: TransferModel, tokens: int, deep: bool) -> None:
    """Insert tokens before every block and remove them behind it, or before the first and behind the last.

    They start as in the paper's code: uniform, with the bound of Xavier's rule for the embedding of patches.
    """
    found = layout(model.module)
    assert found is not None
    bound = math.sqrt(6 / (3 * found.patch[0] * found.patch[1] + found.width))
    device = next(model.module.parameters()).device
    blocks = list(model.module.get_submodule(found.blocks).named_children())
    for place, (name, block) in enumerate(blocks):
        first, last = deep or place == 0, deep or place == len(blocks) - 1
        before = [Insert(found.prefix, tokens, found.width, bound, device)] if first else []
        behind = [Remove(found.prefix, tokens)] if last else []
        if before or behind:
            model.module.set_submodule(f"{found.blocks}.{name}", nn.Sequential(*before, block, *behind))


def prompt_part(model: TransferModel) -> Part:
    """All tokens that were inserted."""
    return Part(frozenset(path for path, each in model.module.named_modules() if isinstance(each, Insert)))


def _attention(module: nn.Module) -> str:
    """How a module attends, by the names of its layers and tensors."""
    layers = {(path.rpartition(".")[2], type(each).__name__) for path, each in module.named_modules()}
    kinds = sorted({kind for name, kind in layers if name == "attn" or "attention" in kind.lower()})
    about = [f"{what} ({name})" for what, words in ABOUT_PLACES.items() for name in _first(module, words)]
    return ", ".join([*kinds, *about]) or "no attention"


def _first(module: nn.Module, words: tuple[str, ...]) -> Iterator[str]:
    """The first layer's kind or tensor's name that one of some words is in, if any."""
    kinds = [type(each).__name__ for each in module.modules()]
    tensors = [name.rpartition(".")[2] for name in module.state_dict()]
    yield from [name for name in (*kinds, *tensors) if any(word in name.lower() for word in words)][:1]
