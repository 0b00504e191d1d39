"""A model's numbers drawn again, so that its structure alone is left: what growth is compared with."""

from __future__ import annotations

from torch import nn

from tlbench.contracts.model import TransferModel


def draw_again(model: TransferModel) -> None:
    """Give all layers new numbers, by one rule for all models.

    Convolutions are drawn as He et al. 2015 do (arXiv:1502.01852, normal, by their outputs) with biases of 0; other
    layers as PyTorch does by default, and BatchNorm without statistics.
    """
    for layer in model.module.modules():
        redraw(layer)


def redraw(layer: nn.Module) -> None:
    """Give one layer's own tensors new numbers, where its class says how."""
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
