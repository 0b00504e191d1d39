"""Which family a backbone is of, from its layers: families want different learning rates."""

from __future__ import annotations

from torch import nn

from tlbench.contracts.backbone import Family

TOKEN_NORMS = (nn.LayerNorm, nn.RMSNorm)
MAP_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm)


def family_of(module: nn.Module) -> Family:
    """A transformer (or another network of linear layers and LayerNorms), or a CNN with or without normalisation."""
    layers = list(module.modules())
    norms = [each for each in layers if isinstance(each, (*TOKEN_NORMS, *MAP_NORMS))]
    if not norms:
        return "cnn-without-norm"
    weights = {"linear": 0, "convolution": 0}
    for each in layers:
        if isinstance(each, nn.Linear):
            weights["linear"] += each.weight.numel()
        elif isinstance(each, nn.MultiheadAttention) and each.in_proj_weight is not None:
            weights["linear"] += each.in_proj_weight.numel()
        elif isinstance(each, nn.modules.conv._ConvNd):
            weights["convolution"] += each.weight.numel()
    of_tokens = sum(isinstance(each, TOKEN_NORMS) for each in norms) > len(norms) / 2
    return "transformer" if of_tokens and weights["linear"] > weights["convolution"] else "cnn"
