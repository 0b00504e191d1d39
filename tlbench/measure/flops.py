"""Floating-point operations of a block, by torch's own counter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

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


def _packed_convolution(images: Any, weight: Any, *_arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return int(conv_flop_count(list(images), list(weight), list(out_shape)))


def _packed_linear(inputs: Any, weight: Any, *_arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return int(2 * math.prod(inputs) * weight[0])


def _matrix_by_vector(matrix: Any, _vector: Any, out_shape: Any = None) -> int:
    return int(2 * math.prod(matrix))


def _plus_matrix_by_vector(_offset: Any, matrix: Any, _vector: Any, out_shape: Any = None, **_factors: Any) -> int:
    return int(2 * math.prod(matrix))


def _sum_of_products(_offset: Any, left: Any, right: Any, out_shape: Any = None, **_factors: Any) -> int:
    return int(2 * math.prod(left) * right[-1])


def _trilinear(
    one: Any, two: Any, three: Any, no_1: Any, no_2: Any, no_3: Any, *_arguments: Any, out_shape: Any = None
) -> int:
    """A multiply-add for each element of the product that is summed; the three are expanded along `no_…`."""
    sizes = []
    for shape, missing in ((one, no_1), (two, no_2), (three, no_3)):
        size = list(shape)
        for place in missing:
            size.insert(place, 1)
        sizes.append(size)
    return int(2 * math.prod(map(max, *sizes)))


def _recurrent(inputs: Any, weights: Any, *_arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    """Every matrix by the values of every time step."""
    return int(2 * math.prod(inputs[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2))


def _recurrent_layer(inputs: Any, *arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return _recurrent(inputs, arguments[:4])


def _recurrent_backward(inputs: Any, weights: Any, *_arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return 2 * _recurrent(inputs, weights)


def _recurrent_layer_backward(inputs: Any, *arguments: Any, out_shape: Any = None, **_named: Any) -> int:
    return 2 * _recurrent(inputs, arguments[:4])


aten, mkldnn = torch.ops.aten, torch.ops.mkldnn
CORRECTED: dict[Any, Callable[..., int]] = {aten.convolution_backward: _convolution_backward}
"""Torch takes a grouped convolution's backward pass for that of a full one: EfficientNet-Lite0's training step came out
14 times too large."""
ADDED: dict[Any, Callable[..., int]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
    aten._scaled_dot_product_fused_attention_overrideable_backward: _attention_backward,
    aten._scaled_dot_product_attention_math_for_mps: _attention,
    aten.mv: _matrix_by_vector,
    aten.dot: _matrix_by_vector,
    aten.vdot: _matrix_by_vector,
    aten.addmv: _plus_matrix_by_vector,
    aten.addbmm: _sum_of_products,
    aten._addmm_activation: _sum_of_products,
    aten._trilinear: _trilinear,
    aten.mkldnn_rnn_layer: _recurrent_layer,
    aten.mkldnn_rnn_layer_backward: _recurrent_layer_backward,
    aten._cudnn_rnn: _recurrent,
    aten._cudnn_rnn_backward: _recurrent_backward,
    aten.miopen_rnn: _recurrent,
    aten.miopen_rnn_backward: _recurrent_backward,
}
"""Products that torch's counter leaves out."""
if hasattr(mkldnn, "_convolution_pointwise"):  # PyTorch can be built without oneDNN
    ADDED[mkldnn._convolution_pointwise] = _packed_convolution
    ADDED[mkldnn._linear_pointwise] = _packed_linear


class _OneModule:
    """Counts all operations together, in place of torch's sorting by module.

    That hooks every module's arguments into the backward pass and fails on a parameter among them where no gradients
    are recorded (CaiT's class token).
    """

    parents: ClassVar[set[str]] = {"Global"}

    def __enter__(self) -> None: ...

    def __exit__(self, *_error: object) -> None: ...


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
        counter = FlopCounterMode(display=False, custom_mapping=CORRECTED | ADDED)
        counter.mod_tracker = _OneModule()  # type: ignore[assignment]
        with _multihead_attention_by_parts(), counter:
            yield
        self.total += counter.get_total_flops()


@contextmanager
def _multihead_attention_by_parts() -> Iterator[None]:
    """Let `nn.MultiheadAttention` and `nn.TransformerEncoder` compute products that can be counted.

    Without gradients they use one operation for a whole layer, of nested tensors where images are padded.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
