"""Floating-point operations of a block, by torch's own counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    conv_flop_count,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)


def _attention(query: Any, key: Any, value: Any, *_arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(
    gradient: Any, query: Any, key: Any, value: Any, *_arguments: Any, out_shape: Any = None, **_named: Any
) -> int:
    return int(sdpa_backward_flop_count(gradient, query, key, value))  # type: ignore[no-untyped-call]


def _convolution_backward(
    gradient: Any,
    images: Any,
    weight: Any,
    _bias_sizes: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    wanted: Any,
    out_shape: Any = None,
) -> int:
    """As many for the gradient of the images, and as many for that of the weight, as the forward pass has."""
    one_product: int = conv_flop_count(list(images), list(weight), list(gradient), transposed)
    return int(sum(wanted[:2])) * one_product


aten = torch.ops.aten
OUR_FORMULAS: dict[Any, Callable[..., int]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.convolution_backward: _convolution_backward,
}
"""Where torch's counter is wrong: it leaves out attention on the CPU, and takes a grouped convolution's backward pass
for that of a full one (EfficientNet-Lite0's training step came out 14 times too large)."""


class Flops:
    """A count that grows with every block it is on for.

    Counted are matrix products, convolutions and attention, a multiply-add as two operations; not counted are
    normalisation, activations, pooling and the optimizer's arithmetic.
    """

    def __init__(self) -> None:
        self.total = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is computed in this block."""
        counter = FlopCounterMode(display=False, custom_mapping=OUR_FORMULAS)
        with counter:
            yield
        self.total += counter.get_total_flops()
