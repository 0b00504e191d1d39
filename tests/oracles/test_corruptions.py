"""Corruptions beside independent implementations, as the authors' code for ImageNet-C has them."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import torch
from skimage.color import hsv2rgb, rgb2hsv
from skimage.data import astronaut
from skimage.filters import gaussian
from skimage.transform import resize

from tlbench.data.corrupt import Corrupt
from tlbench.plan.corruptions import CORRUPTIONS, SEVERITIES

SIZE = 64
PHOTOGRAPH = np.rint(255 * resize(astronaut(), (SIZE, SIZE), anti_aliasing=True)).astype(np.uint8)


def ours(name: str, strength: float, pixels: np.ndarray = PHOTOGRAPH, place: int = 0) -> np.ndarray:
    """A corrupted image H×W×C, from 0 to 255."""
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    found = 255 * Corrupt(name, strength)(images, torch.tensor([place]))
    return found[0].permute(1, 2, 0).numpy()


def strengths(name: str) -> list[float]:
    return list(CORRUPTIONS[name].at(SIZE))


@pytest.mark.parametrize("strength", strengths("blur"))
def test_blur_is_scikit_images(strength: float) -> None:
    expected = 255 * gaussian(PHOTOGRAPH / 255, sigma=strength, mode="nearest", truncate=4.0, channel_axis=-1)
    assert np.abs(ours("blur", strength) - expected).max() <= 0.6


@pytest.mark.parametrize("strength", strengths("contrast"))
def test_contrast_goes_towards_the_mean_of_each_channel(strength: float) -> None:
    means = PHOTOGRAPH.mean((0, 1), keepdims=True)
    expected = (PHOTOGRAPH - means) * strength + means
    assert np.abs(ours("contrast", strength) - expected).max() <= 0.51


@pytest.mark.parametrize("strength", strengths("brightness"))
def test_brightness_is_the_value_of_hsv(strength: float) -> None:
    hsv = rgb2hsv(PHOTOGRAPH / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + strength, 0, 1)
    assert np.abs(ours("brightness", strength) - 255 * hsv2rgb(hsv)).max() <= 0.6
    grey = PHOTOGRAPH[..., :1]
    expected = np.clip(grey + 255 * strength, 0, 255)
    assert np.abs(ours("brightness", strength, grey) - expected).max() <= 0.51


@pytest.mark.parametrize("strength", strengths("pixelate"))
def test_pixelate_is_pillows_box_there_and_back(strength: float) -> None:
    small = PIL.Image.fromarray(PHOTOGRAPH).resize((int(SIZE * strength),) * 2, PIL.Image.Resampling.BOX)
    expected = np.asarray(small.resize((SIZE, SIZE), PIL.Image.Resampling.BOX)).astype(float)
    assert np.abs(ours("pixelate", strength) - expected).max() <= 1.01  # it rounds in between


@pytest.mark.parametrize("strength", strengths("jpeg"))
def test_jpeg_is_nearer_to_pillows_of_the_same_quality_than_the_image_is(strength: float) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(PHOTOGRAPH).save(file, "JPEG", quality=int(strength))
    expected = np.asarray(PIL.Image.open(file)).astype(float)
    found = ours("jpeg", strength)
    assert np.abs(found - expected).mean() < 0.5 * np.abs(PHOTOGRAPH - expected).mean()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_deviation_and_impulse_the_share_that_they_state(severity: int) -> None:
    grey = np.full((SIZE, SIZE, 1), 128, dtype=np.uint8)
    deviation = strengths("noise")[severity - 1]
    many = np.concatenate([ours("noise", deviation, grey, place).ravel() for place in range(8)]) / 255
    inside = np.abs(many - 128 / 255) < 128 / 255 - 0.01  # the rest is clipped
    expected = np.random.default_rng(0).normal(128 / 255, deviation, 10**6)
    within = expected[np.abs(expected - 128 / 255) < 128 / 255 - 0.01]
    assert many[inside].std() == pytest.approx(within.std(), rel=0.02)
    assert 1 - inside.mean() == pytest.approx(1 - len(within) / 10**6, abs=0.01)

    share = strengths("impulse")[severity - 1]
    hit = np.concatenate([ours("impulse", share, grey, place).ravel() for place in range(8)])
    assert set(np.unique(hit)) <= {0.0, 128.0, 255.0}
    assert (hit != 128).mean() == pytest.approx(share, rel=0.05)
    assert (hit == 0).sum() == pytest.approx((hit == 255).sum(), rel=0.15)
