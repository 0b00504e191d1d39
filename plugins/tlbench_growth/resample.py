"""Tensors of a small model made as large as those of a larger one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench_growth.families import matched
from tlbench_growth.residual import ends_of, silence

Method = Literal["nearest", "linear"]


def resampled(tensor: torch.Tensor, dimension: int, size: int, method: Method) -> torch.Tensor:
    """A tensor with `size` values in a dimension, as samples at the middles of so many equal parts.

    `nearest` takes each from the small tensor's part that it lies in, so that n values in k·n places are k copies each;
    `linear` interpolates between the middles of two parts, and keeps the first and the last value beyond them.
    """
    own = tensor.shape[dimension]
    twice = 2 * torch.arange(size, device=tensor.device) + 1  # the middles, in halves of a part
    if method == "nearest":
        return tensor.index_select(dimension, twice * own // (2 * size))
    at = (twice * (own / (2 * size)) - 0.5).clamp(0, own - 1)
    before = at.floor().long()
    after = (before + 1).clamp(max=own - 1)
    share = (at - before).to(tensor.dtype).view(-1, *[1] * (tensor.ndim - 1 - dimension))
    return torch.lerp(tensor.index_select(dimension, before), tensor.index_select(dimension, after), share)


def fitted(tensor: torch.Tensor, shape: torch.Size, method: Method, is_weight: bool) -> torch.Tensor:
    """A tensor in another shape of as many dimensions.

    The weights of a layer are divided by how many times more inputs there are, and places in a kernel, so that what the
    layer gives stays as large.
    """
    for dimension, size in enumerate(shape):
        own = tensor.shape[dimension]
        if own != size:
            tensor = resampled(tensor, dimension, size, method)
            tensor = tensor * (own / size) if is_weight and dimension else tensor
    return tensor


@torch.no_grad()
def fill(large: TransferModel, small: TransferModel, method: Method, *, identity: bool) -> None:
    """Give each tensor of a model, its head's too, values made of the small model's.

    With `identity`, the branches of residual blocks that the small model has no more counterpart for end with 0.
    """
    found = matched(large, small)
    state, source = large.module.state_dict(), small.module.state_dict()
    for name, theirs in found.names.items():
        own, given = state[name], source[theirs]
        if given.is_floating_point():
            given = fitted(given, own.shape, method, _is_weight(large.module, name, own))
        own.copy_(given)
    for path in found.repeated if identity else ():
        block = large.module.get_submodule(path)
        silence(block, ends_of(block) or ())


def _is_weight(module: nn.Module, name: str, tensor: torch.Tensor) -> bool:
    """Whether a tensor is what a layer multiplies its inputs by: of a convolution, a linear layer, or attention."""
    path, _, own = name.rpartition(".")
    return tensor.ndim > 1 and own.endswith("weight") and not isinstance(module.get_submodule(path), nn.Embedding)
