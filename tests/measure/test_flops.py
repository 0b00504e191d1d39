"""FLOPs against the formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tlbench.measure.flops import Flops


def forward_and_backward(module: nn.Module, images: torch.Tensor) -> tuple[int, int]:
    forward, backward = Flops(), Flops()
    with forward.counting():
        loss = module(images).sum()
    with backward.counting():
        loss.backward()
    return forward.total, backward.total


def test_a_linear_layer() -> None:
    """2·N·in·out forward, the same for the weight's gradient, and for the input's where it is wanted."""
    product = 2 * 5 * 7 * 3
    assert forward_and_backward(nn.Linear(7, 3), torch.randn(5, 7)) == (product, product)
    assert forward_and_backward(nn.Linear(7, 3), torch.randn(5, 7, requires_grad=True)) == (product, 2 * product)


@pytest.mark.parametrize(("stride", "padding", "side"), [(1, 0, 8), (1, 1, 10), (2, 1, 5)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_convolution(groups: int, stride: int, padding: int, side: int) -> None:
    """2·N·out·H·W·(in / groups)·k·k, groups or not, forward and for each gradient."""
    module = nn.Conv2d(6, 12, 3, stride=stride, padding=padding, groups=groups)
    product = 2 * 4 * 12 * side * side * (6 // groups) * 9
    assert forward_and_backward(module, torch.randn(4, 6, 10, 10)) == (product, product)
    assert forward_and_backward(module, torch.randn(4, 6, 10, 10, requires_grad=True)) == (product, 2 * product)


def test_a_transposed_convolution() -> None:
    product = 2 * 4 * (5 * 5) * 6 * 12 * 9
    module = nn.ConvTranspose2d(6, 12, 3)
    assert forward_and_backward(module, torch.randn(4, 6, 5, 5, requires_grad=True)) == (product, 2 * product)


def test_what_is_frozen_has_no_gradient_to_compute() -> None:
    body, head = nn.Linear(7, 6), nn.Linear(6, 3)
    body.requires_grad_(False)
    forward, backward = forward_and_backward(nn.Sequential(body, head), torch.randn(5, 7))
    assert forward == 2 * 5 * (7 * 6 + 6 * 3)
    assert backward == 2 * 5 * 6 * 3


def test_attention() -> None:
    """Two products forward; backward the scores again and two gradients for each."""
    query, key, value = (torch.randn(2, 3, 16, 8, requires_grad=True) for _ in range(3))
    product = 2 * 2 * 3 * 16 * 16 * 8
    forward, backward = Flops(), Flops()
    with forward.counting():
        out = F.scaled_dot_product_attention(query, key, value).sum()
    with backward.counting():
        out.backward()
    assert (forward.total, backward.total) == (2 * product, 5 * product)


def test_counts_add_up() -> None:
    flops, layer = Flops(), nn.Linear(7, 3)
    for _ in range(2):
        with flops.counting():
            layer(torch.randn(5, 7))
    layer(torch.randn(5, 7))
    assert flops.total == 2 * (2 * 5 * 7 * 3)
