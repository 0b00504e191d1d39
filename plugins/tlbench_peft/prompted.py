"""Attention layers with learned tokens that they look at besides their input."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.attention import Attention
from torch import nn

from tlbench.engine.model import Part, TransferModel

SPREAD = 0.02
"""The standard deviation of tokens at the start, as of a ViT's own embeddings."""


class Prompted(nn.Module):
    """`attention(x) + tanh(gate) · attention of x's queries to learned tokens`, through the layer's own projections."""

    def __init__(self, attention: nn.Module, tokens: int) -> None:
        super().__init__()
        self.attention = attention
        weight = _projections(attention)[0]
        self.heads = int(attention.num_heads)  # type: ignore[arg-type]
        self.tokens = nn.Parameter(SPREAD * torch.randn(tokens, weight.shape[1], device=weight.device))
        self.gate = nn.Parameter(torch.zeros(self.heads, 1, 1, device=weight.device))

    def forward(self, inputs: torch.Tensor, *others: Any, **options: Any) -> Any:
        """What the layer gives, and what the tokens add."""
        output = self.attention(inputs, *others, **options)
        if isinstance(output, tuple):
            return (output[0] + self._from_tokens(inputs), *output[1:])
        return output + self._from_tokens(inputs)

    def _from_tokens(self, inputs: torch.Tensor) -> torch.Tensor:
        weight, bias, out = _projections(self.attention)
        width = weight.shape[0] // 3
        query_bias, token_bias = (None, None) if bias is None else (bias[:width], bias[width:])
        queries = self._split(F.linear(inputs, weight[:width], query_bias))
        keys, values = (
            self._split(each[None]) for each in F.linear(self.tokens, weight[width:], token_bias).chunk(2, dim=1)
        )
        queries, keys = _normed(self.attention, "q_norm", queries), _normed(self.attention, "k_norm", keys)
        many = len(inputs)
        seen = F.scaled_dot_product_attention(queries, keys.expand(many, -1, -1, -1), values.expand(many, -1, -1, -1))
        return F.linear((torch.tanh(self.gate) * seen).transpose(1, 2).flatten(2), out)

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        """N×T×C to N×heads×T×(C / heads)."""
        return tokens.view(*tokens.shape[:-1], self.heads, -1).transpose(1, 2)


def attention_layers(model: TransferModel) -> list[str]:
    """The paths of the attention layers in the body that tokens can be added to."""
    return [path for path, each in model.module.named_modules() if path in model.body.paths and _fits(each)]


def wrap(model: TransferModel, tokens: int) -> None:
    """Give every attention layer tokens of its own."""
    for path in attention_layers(model):
        model.module.set_submodule(path, Prompted(model.module.get_submodule(path), tokens))


def prompt_part(model: TransferModel) -> Part:
    """All tokens and gates."""
    return Part(frozenset(path for path, each in model.module.named_modules() if isinstance(each, Prompted)))


def _fits(layer: nn.Module) -> bool:
    if isinstance(layer, nn.MultiheadAttention):
        return layer.batch_first and layer.in_proj_weight is not None
    return type(layer) is Attention and isinstance(getattr(layer, "norm", nn.Identity()), nn.Identity)


def _projections(attention: nn.Module) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """The weight and bias of queries, keys and values (3C×C), and the weight of the output."""
    if isinstance(attention, nn.MultiheadAttention):
        return attention.in_proj_weight, attention.in_proj_bias, attention.out_proj.weight
    qkv, out = attention.qkv, attention.proj
    assert isinstance(qkv, nn.Linear) and isinstance(out, nn.Linear)
    return qkv.weight, qkv.bias, out.weight


def _normed(attention: nn.Module, name: str, tokens: torch.Tensor) -> torch.Tensor:
    norm = getattr(attention, name, None)
    return norm(tokens) if isinstance(norm, nn.Module) else tokens
