"""The layers of a body that something can be put around."""

from __future__ import annotations

from torch import nn

from tlbench.contracts.model import TransferModel


def called_layers(model: TransferModel) -> list[tuple[str, nn.Module]]:
    """The body's modules by path, but for those inside PyTorch's multi-head attention.

    It reads its layers' weights without calling them.
    """
    named, body = list(model.module.named_modules()), model.body.paths
    attention = tuple(f"{path}." for path, each in named if isinstance(each, nn.MultiheadAttention))
    return [(path, layer) for path, layer in named if path in body and not path.startswith(attention)]
