"""FLOPs against the formulas."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from tlbench.engine.pack import NONE, Packed
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


def forward(module: nn.Module, *inputs: torch.Tensor) -> int:
    flops = Flops()
    with flops.counting():
        module(*inputs)
    return flops.total


class Alike(nn.Module):
    """Self-attention as vision transformers call it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return out


ATTENTION = 2 * 3 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8)
"""3 images of 5 tokens of width 8: four linear layers and two products of tokens with tokens."""


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Alike(), ATTENTION),
        (nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), ATTENTION + 2 * 3 * 2 * 5 * 8 * 16),
    ],
    ids=["attention", "encoder layer"],
)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_multihead_attention_counts_alike_with_and_without_gradients(
    module: nn.Module, expected: int, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    """Without gradients PyTorch has one fused operation for all of it."""
    with mode():
        assert forward(module.eval(), torch.randn(3, 5, 8)) == expected
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_frozen_vit_has_the_published_figure() -> None:
    module = torchvision.models.vit_b_16().eval()
    with torch.no_grad():
        macs = forward(module, torch.randn(1, 3, 224, 224)) / 2
    assert macs == pytest.approx(1e9 * torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.meta["_ops"], rel=1e-4)


PUBLISHED = {
    "vit_b_16": 224, "swin_t": 224, "swin_v2_t": 256, "convnext_tiny": 224, "resnet18": 224, "efficientnet_b0": 224,
    "mobilenet_v3_small": 224, "densenet121": 224,
}  # fmt: skip
"""The sizes that torchvision's figures are of."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_torchvisions_models_have_their_published_figures(name: str) -> None:
    """Torchvision counts multiply-adds as one; on the meta device nothing is computed."""
    with torch.device("meta"):
        module, images = torchvision.models.get_model(name), torch.randn(2, 3, PUBLISHED[name], PUBLISHED[name])
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
    training = forward(module.train(), images)
    with torch.no_grad():
        assert forward(module.eval(), images) == training
    assert training / len(images) / 2e9 == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "sequencer2d_s", "mixer_s32_224"])
def test_timms_models_count_alike_in_training_and_frozen(name: str) -> None:
    images = torch.randn(1, 3, 224, 224)
    module = timm.create_model(name)
    training = forward(module.train(), images)
    with torch.inference_mode():
        assert forward(module.eval(), images) == training > 0


def test_a_recurrent_layer_has_its_matrices_at_each_step() -> None:
    module = nn.LSTM(7, 6, num_layers=2, bidirectional=True)
    matrices = 2 * (4 * 6 * 7 + 4 * 6 * 6) + 2 * (4 * 6 * 12 + 4 * 6 * 6)
    tokens, forward_pass, backward_pass = torch.randn(5, 3, 7, requires_grad=True), Flops(), Flops()
    with forward_pass.counting():
        loss = module(tokens)[0].sum()
    with backward_pass.counting():
        loss.backward()
    assert forward_pass.total == 2 * 5 * 3 * matrices
    assert backward_pass.total == 2 * forward_pass.total


ONE, TWO = torch.randn(4, 5), torch.randn(4, 6)


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (lambda: TWO @ torch.randn(6), 2 * 4 * 6),
        (lambda: ONE[0] @ ONE[1], 2 * 5),
        (lambda: torch.addmv(torch.randn(4), TWO, torch.randn(6)), 2 * 4 * 6),
        (lambda: torch.addbmm(torch.randn(5, 6), ONE.expand(3, 4, 5).mT, TWO.expand(3, 4, 6)), 2 * 3 * 5 * 4 * 6),
        (lambda: torch.baddbmm(torch.randn(3, 5, 6), ONE.expand(3, 4, 5).mT, TWO.expand(3, 4, 6)), 2 * 3 * 5 * 4 * 6),
        (lambda: torch._addmm_activation(torch.randn(6), ONE.mT, TWO), 2 * 5 * 4 * 6),
        (lambda: torch.einsum("bi,bj->ij", ONE, TWO), 2 * 5 * 4 * 6),
        (lambda: F.bilinear(ONE, TWO, torch.randn(3, 5, 6)), 2 * 4 * 3 * 5 * 6),
    ],
    ids=["mv", "dot", "addmv", "addbmm", "baddbmm", "addmm with activation", "einsum", "bilinear"],
)
def test_other_products(product: Callable[[], torch.Tensor], expected: int) -> None:
    flops = Flops()
    with flops.counting():
        product()
    assert flops.total == expected


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (6, 2)])
def test_a_packed_convolution_counts_as_a_plain_one(groups: int, stride: int) -> None:
    plain = nn.Conv2d(6, 12, 3, stride=stride, padding=1, groups=groups)
    images = torch.randn(4, 6, 10, 10)
    with torch.inference_mode():
        assert forward(Packed(plain, NONE, images.shape), images) == forward(plain, images) > 0


def test_a_parameter_may_be_an_argument_of_a_module() -> None:
    """CaiT's class token is; torch's own counter fails on it where no gradients are recorded."""
    model = timm.create_model("cait_xxs24_224", num_classes=3)
    images = torch.randn(1, 3, 224, 224)
    counts = []
    for gradients in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        flops = Flops()
        with flops.counting(), gradients:
            model(images)
        counts.append(flops.total)
    assert counts[0] == counts[1] == counts[2] == pytest.approx(2 * 2.53e9, rel=0.01)
