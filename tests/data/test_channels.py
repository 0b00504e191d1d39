"""Images of one channel, of three, and of many; and what they are normalised by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from builders import make_dataset
from timm.models import adapt_input_conv

import tlbench
from tlbench.contracts import Dataset, Preprocessing, Split, SplitOptions
from tlbench.contracts.channels import with_channels
from tlbench.data.normalise import normalised
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, PreparedDataset, Wanted
from tlbench.errors import BackboneError
from tlbench_packaged.efficientnet_lite import efficientnet_lite, imagenet_state
from tlbench_packaged.small_cnn import small_cnn
from tlbench_tasks.single_label import SingleLabel

NUMBER, SIZE = 40, 8


def images_of(channels: int, dtype: type = np.uint8, most: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most, (NUMBER, SIZE, SIZE, channels)).astype(dtype)


def prepared(folder: Path, images: np.ndarray, channels: int) -> PreparedDataset:
    """All of train is train but for what val and test need."""
    dataset: Dataset = make_dataset(Split(np.arange(NUMBER) % 2, images.__getitem__), channels=channels)
    wanted = Wanted("made-up", "tasks/single-label", SplitOptions(), Limits(), SIZE, "nearest")
    return prepare(wanted, dataset, SingleLabel(), folder)


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_as_many_channels_are_kept_as_the_dataset_states(tmp_path: Path, channels: int) -> None:
    images = images_of(channels)
    made = prepared(tmp_path, images, channels)
    pixels, indices = (np.load(tmp_path / f"train-{part}.npy") for part in ("images", "indices"))
    assert made.channels == channels
    assert np.array_equal(pixels, images[indices].reshape(len(indices), SIZE, SIZE, channels))
    values = pixels.reshape(-1, channels) / 255
    assert made.mean == pytest.approx(values.mean(0)) and made.deviation == pytest.approx(values.std(0))


def test_deep_values_of_many_channels_are_scaled_alike(tmp_path: Path) -> None:
    images = images_of(5, np.uint16, 4096)
    made = prepared(tmp_path, images, 5)
    assert made.levels is not None and (made.levels.low, made.levels.high) == (0, 4095)
    pixels, indices = (np.load(tmp_path / f"train-{part}.npy") for part in ("images", "indices"))
    assert np.array_equal(pixels, np.rint(images[indices] * (255 / 4095)).astype(np.uint8))


def test_colours_are_made_grey_for_one_channel(tmp_path: Path) -> None:
    images = images_of(3)
    prepared(tmp_path, images, 1)
    pixels, indices = (np.load(tmp_path / f"train-{part}.npy") for part in ("images", "indices"))
    grey = images[indices] @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as Pillow has it
    assert np.abs(pixels[..., 0] - grey).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_stem_of_pretrained_weights_is_adapted_as_timm_does(channels: int) -> None:
    backbone = with_channels(efficientnet_lite(0), channels)
    module = backbone.build(2, image_size=32, pretrained=True)
    published = imagenet_state(0, timm.create_model("tf_efficientnet_lite0", num_classes=2))["conv_stem.weight"]
    stem = module.get_submodule("conv_stem").weight
    assert isinstance(stem, torch.nn.Parameter)
    torch.testing.assert_close(stem.detach(), adapt_input_conv(channels, published))
    assert module.eval()(torch.zeros(1, channels, 32, 32)).shape == (1, 2)
    assert len(backbone.preprocessing.mean) == len(backbone.preprocessing.std) == channels


def test_a_backbone_of_three_channels_alone_says_so() -> None:
    backbone = dataclasses.replace(small_cnn(), any_channels=False)
    assert with_channels(backbone, 3) is backbone
    with pytest.raises(BackboneError, match="it takes images of 3 channels, and these have 4"):
        with_channels(backbone, 4)


def test_one_channel_has_the_mean_normalisation_and_many_have_it_in_turns() -> None:
    preprocessing = Preprocessing(mean=(0.1, 0.2, 0.6), std=(0.2, 0.3, 0.4))
    backbone = dataclasses.replace(small_cnn(), preprocessing=preprocessing)
    assert with_channels(backbone, 1).preprocessing.mean == pytest.approx((0.3,))
    assert with_channels(backbone, 4).preprocessing.std == (0.2, 0.3, 0.4, 0.2)


def test_what_images_are_normalised_by_is_the_weights_the_datasets_or_given(tmp_path: Path) -> None:
    made = prepared(tmp_path, images_of(3), 3)
    backbone = small_cnn()
    assert normalised(backbone, "weights", made) is backbone
    own = normalised(backbone, "dataset", made).preprocessing
    assert (own.mean, own.std) == (made.mean, made.deviation)
    given = normalised(backbone, "0.1/0.2", made).preprocessing
    assert (given.mean, given.std) == ((0.1,) * 3, (0.2,) * 3)
    each = normalised(backbone, "0.1,0.2,0.3/1,2,3", made).preprocessing
    assert (each.mean, each.std) == ((0.1, 0.2, 0.3), (1, 2, 3))


@pytest.mark.slow
def test_the_option_does_something_and_the_record_says_what(tmp_path: Path) -> None:
    losses, used = {}, {}
    for normalisation in ("weights", "dataset", "0/1"):
        (record,) = tlbench.run(
            datasets="digits:train=60:test=40", strategies="freeze", epochs=2, image_size=32, progress=False,
            normalisation=normalisation, results=tmp_path,
        )  # fmt: skip
        assert record.metrics is not None and record.preprocessing is not None, record.error
        losses[normalisation] = record.metrics.test["nll"]
        used[normalisation] = (record.preprocessing.mean, record.preprocessing.std)
    assert len(set(losses.values())) == 3
    assert used["weights"] == ([0.5] * 3, [0.5] * 3) and used["0/1"] == ([0.0] * 3, [1.0] * 3)
    assert used["dataset"][0] == pytest.approx([0.3] * 3, abs=0.05)  # grey digits on black
