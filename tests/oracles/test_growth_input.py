"""A model for larger images or more channels, filled from a saved one: tensor by tensor, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import Cli
from sklearn.datasets import load_digits

import tlbench
from tlbench.contracts import Backbone
from tlbench.contracts.model import TransferModel
from tlbench_growth.inputs import (
    fewer_channels,
    fill,
    larger_kernel,
    larger_map,
    more_channels,
    more_positions,
    shapes_of,
    smaller_images,
    why_not,
)
from tlbench_packaged.efficientnet_lite import efficientnet_lite
from tlbench_packaged.small_cnn import small_cnn
from tlbench_timm.backbone import timm_backbone


def make_model(backbone: Backbone, size: int, channels: int) -> TransferModel:
    torch.manual_seed(size + channels)
    return TransferModel(backbone.build(3, image_size=size, pretrained=False, channels=channels), backbone)


@pytest.mark.parametrize(("own", "channels"), [(1, 3), (3, 5), (3, 13), (1, 12)])
def test_more_channels_give_what_those_in_turns_gave(own: int, channels: int) -> None:
    weight, images = torch.randn(4, own, 3, 3), torch.randn(2, channels, 8, 8)
    grown = more_channels(weight, channels)
    assert grown.shape == (4, channels, 3, 3)
    alike = images[:, :own][:, torch.arange(channels) % own]  # each channel's copies are equal
    torch.testing.assert_close(torch.conv2d(alike, grown), torch.conv2d(images[:, :own], weight), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(fewer_channels(alike, own), images[:, :own])


def test_a_larger_kernel_gives_as_much_on_what_does_not_vary() -> None:
    weight = torch.randn(4, 3, 4, 4)
    torch.testing.assert_close(larger_kernel(weight, torch.Size((8, 8))).sum((2, 3)), weight.sum((2, 3)))


def test_a_layer_on_a_flattened_map_gives_as_much_on_an_enlarged_map() -> None:
    weight, small = torch.randn(5, 2 * 2 * 2), torch.ones(1, 2, 2, 2) * torch.randn(1, 2, 1, 1)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    grown = larger_map(weight, 2 * 4 * 4, 2)
    torch.testing.assert_close(grown @ large.flatten(), weight @ small.flatten())


def test_position_embeddings_keep_their_class_token_and_follow_a_gradient() -> None:
    steps = torch.arange(4.0).repeat(4, 1).flatten()
    embedding = torch.cat([torch.tensor([9.0]), steps]).view(1, 17, 1)
    finer = more_positions(embedding, 65)
    assert finer[0, 0, 0] == 9
    rows = finer[0, 1:, 0].view(8, 8)
    assert (rows[0].diff() > 0).all() and torch.allclose(rows[0], rows[7])


@pytest.mark.parametrize("backbone", [small_cnn(), efficientnet_lite(0), timm_backbone("vit_tiny_patch16_224")])
def test_a_model_for_more_channels_computes_what_the_small_one_does_for_gray(backbone: Backbone) -> None:
    small, large = make_model(backbone, 32, 1), make_model(backbone, 32, 3)
    assert why_not(large, shapes_of(small.module)) is None
    fill(large, small.module.state_dict())
    gray = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        wanted, found = small.module.eval()(gray), large.module.eval()(gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("backbone", [small_cnn(), timm_backbone("vit_tiny_patch16_224")])
def test_a_model_for_larger_images_is_nearer_to_the_small_one_than_a_random_one(backbone: Backbone) -> None:
    small, large = make_model(backbone, 32, 3), make_model(backbone, 64, 3)
    images = torch.nn.functional.interpolate(torch.randn(4, 3, 4, 4), size=(64, 64), mode="bicubic")
    with torch.inference_mode():
        wanted = small.module.eval()(smaller_images(images, 3, 32))
        before = float((large.module.eval()(images) - wanted).norm())
        assert why_not(large, shapes_of(small.module)) is None
        fill(large, small.module.state_dict())
        after = float((large.module(images) - wanted).norm())
    assert 0 < after < 0.7 * before


def test_larger_inputs_and_other_architectures_are_refused() -> None:
    small, large = make_model(small_cnn(), 32, 1), make_model(small_cnn(), 64, 3)
    assert "its input is larger, by block1.0.weight" in str(why_not(small, shapes_of(large.module)))
    other = make_model(efficientnet_lite(0), 32, 3)
    assert "it is of another architecture: it has no block1.0.bias" in str(why_not(large, shapes_of(other.module)))


def write_digits(folder: Path) -> Path:
    """Scikit-learn's digits as a tree of files."""
    digits = load_digits()
    for place in range(90):
        file = folder / str(digits.target[place]) / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.round(digits.images[place] * 15.9).astype(np.uint8)).save(file)
    return folder


@pytest.mark.slow
def test_a_model_of_gray_images_grows_to_larger_ones_in_colour(tmp_path: Path, cli_here: Cli) -> None:
    folder = write_digits(tmp_path / "digits")
    wanted: dict[str, Any] = {
        "backbones": "small_cnn", "epochs": 2, "batch_size": 20, "results": tmp_path / "results", "progress": False,
        "save": "all",
    }  # fmt: skip
    first = tlbench.run(strategies="full", datasets=f"folder:{folder}:channels=1", image_size=16, **wanted)
    saved = first.folder / "models" / next(iter(first)).trial.id
    for size, bound in ((16, 1e-5), (32, 10.0)):
        (record,) = tlbench.run(
            strategies=f"grow-input:{saved}", datasets=f"folder:{folder}", image_size=size, **wanted
        )
        assert record.status == "ok", record.error
        assert record.notes["function_moved"] < bound
        assert record.notes["saved_model"]
    refused = cli_here(
        "run", "--backbones", "small_cnn", "--strategies", f"grow-input:{saved}", "--image-size", "8",
        "--datasets", f"folder:{folder}",
    )  # fmt: skip
    assert refused.status == 2
    assert "this strategy goes from small inputs to large ones" in refused.stderr
