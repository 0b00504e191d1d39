"""A model for larger images, or for more channels, filled with what one for smaller or fewer has learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.toolkit import listed
from tlbench_growth.channels import channels_of

NAMED = 3
MOST_PREFIX = 5
"""Tokens before those of patches: of a class, of a distillation, registers."""
Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(module: nn.Module) -> Shapes:
    """The shapes of a module's tensors."""
    return {name: tuple(each.shape) for name, each in module.state_dict().items()}


def why_not(model: TransferModel, own: Shapes) -> str | None:
    """Why a body can't be filled with tensors of some shapes, if so: they are others, or larger."""
    body = {name: shape for name, shape in shapes_of(model.module).items() if not model.head.holds(name)}
    if strange := sorted(name for name in body if name not in own):
        return f"it is of another architecture: it has no {listed(strange, NAMED)}"
    larger = [name for name, shape in body.items() if math.prod(own[name]) > math.prod(shape)]
    if larger:
        return f"its input is larger, by {listed(larger, NAMED)}; this strategy goes from small inputs to large ones"
    wide = _widths(model.module)
    differ = [name for name, shape in body.items() if own[name] != shape]
    unknown = [name for name in differ if _kind(model.module, name, own[name], body[name], wide) is None]
    return f"nobody knows how to enlarge {listed(unknown, NAMED)}" if unknown else None


@torch.no_grad()
def fill(model: TransferModel, small: Mapping[str, torch.Tensor]) -> None:
    """Fill a model with a small one's tensors, its head too where it has one of the same outputs."""
    wide, state = _widths(model.module), model.module.state_dict()
    for name, own in state.items():
        if name not in small:  # of a head of another kind
            continue
        given = small[name].to(own.device)
        if own.shape == given.shape:
            own.copy_(given)
            continue
        kind = _kind(model.module, name, given.shape, own.shape, wide)
        if kind == "kernel":
            own.copy_(more_channels(larger_kernel(given, own.shape[2:]), own.shape[1]))
        elif kind == "positions":
            own.copy_(more_positions(given, own.shape[1]))
        elif kind == "flat":
            own.copy_(larger_map(given, own.shape[1], wide[name.rpartition(".")[0]]))


def more_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """A first convolution O×I×K×K for more channels: those of the small one in turns, over how often each comes.

    A channel that is there several times, as gray in RGB, so gives what it gave alone. Of the channels, the last ones
    may come less often; each copy is divided by its own channel's number.
    """
    own = weight.shape[1]
    turns = torch.arange(channels, device=weight.device) % own
    counts = torch.bincount(turns, minlength=own)
    return weight[:, turns] / counts[turns].view(1, -1, 1, 1)


def fewer_channels(images: torch.Tensor, channels: int) -> torch.Tensor:
    """Images N×C×S×S as a model of fewer channels sees them: the mean of those that stand for each."""
    turns = torch.arange(images.shape[1]) % channels
    return torch.stack([images[:, turns == place].mean(1) for place in range(channels)], 1)


def smaller_images(images: torch.Tensor, channels: int, size: int) -> torch.Tensor:
    """Images N×C×S×S as a model of fewer channels and a smaller image size sees them."""
    fewer = fewer_channels(images, channels)
    return F.interpolate(fewer, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def larger_kernel(weight: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Kernels of another size, interpolated bilinearly, whose sums stay about the same."""
    if weight.shape[2:] == size:
        return weight
    ratio = math.prod(weight.shape[2:]) / math.prod(size)
    return F.interpolate(weight, size=tuple(size), mode="bilinear", align_corners=False) * ratio


def larger_map(weight: torch.Tensor, inputs: int, channels: int) -> torch.Tensor:
    """A linear layer on a flattened map C×s×s, O×(C·s·s), for a larger map: a weight for each place, interpolated."""
    maps = weight.reshape(len(weight), channels, *_square(weight.shape[1] // channels))
    return larger_kernel(maps, torch.Size(_square(inputs // channels))).flatten(1)


def more_positions(embedding: torch.Tensor, tokens: int) -> torch.Tensor:
    """Position embeddings 1×T×D on a finer grid of patches, interpolated bicubically; tokens before them stay."""
    prefix = _prefix(embedding.shape[1], tokens)
    assert prefix is not None
    side, new = math.isqrt(embedding.shape[1] - prefix), math.isqrt(tokens - prefix)
    grid = embedding[:, prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    finer = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([embedding[:, :prefix], finer.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def _kind(
    module: nn.Module, name: str, small: Sequence[int], large: Sequence[int], wide: Mapping[str, int]
) -> str | None:
    """How a tensor is made larger: as a kernel, as positions, as what is given a flattened map; None for no way."""
    path, _, own = name.rpartition(".")
    layer = module.get_submodule(path)
    if len(small) != len(large) or small[0] != large[0]:
        return None
    if isinstance(layer, nn.Conv2d) and own == "weight" and layer.groups == 1:
        return "kernel"
    if len(small) == 3 and small[2] == large[2] and _prefix(small[1], large[1]) is not None:
        return "positions"
    channels = wide.get(path)
    if isinstance(layer, nn.Linear) and own == "weight" and channels is not None:
        squares = [inputs % channels == 0 and _is_square(inputs // channels) for inputs in (small[1], large[1])]
        return "flat" if all(squares) else None
    return None


def _widths(module: nn.Module) -> dict[str, int]:
    """By layer, the channels that it is given."""
    return {path: each.width for each in channels_of(module) for path in each.consumers}


def _prefix(small: int, large: int) -> int | None:
    """How many tokens stand before the patches' in two sequences, the fewest that leave squares; None for none."""
    for prefix in range(MOST_PREFIX + 1):
        if all(each > prefix and _is_square(each - prefix) for each in (small, large)):
            return prefix
    return None


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number


def _square(number: int) -> tuple[int, int]:
    return math.isqrt(number), math.isqrt(number)
