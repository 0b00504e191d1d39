"""Corrupted images: always the same for an image, whatever else is in the batch, and of 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import load_split, make_images, noise, save_split

from tlbench.data.corrupt import COMPUTED, Corrupt
from tlbench.engine.feed import in_order
from tlbench.plan.corruptions import CORRUPTIONS

SIZE = 32
PLACES = torch.tensor([7, 0, 1200, 3, 8, 2])


def photographs(channels: int = 3) -> torch.Tensor:
    """Smooth images, N×C×S×S from 0 to 1, of 8 bits."""
    coarse = torch.rand(len(PLACES), channels, 5, 5, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round() / 255


def corrupted(name: str, severity: int, images: torch.Tensor, places: torch.Tensor = PLACES) -> torch.Tensor:
    return Corrupt(name, CORRUPTIONS[name].at(SIZE)[severity - 1])(images, places)


def test_each_corruption_that_can_be_asked_for_is_computed() -> None:
    assert COMPUTED.keys() == CORRUPTIONS.keys()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_image_has_8_bits_and_the_higher_the_severity_the_farther_it_is(name: str, channels: int) -> None:
    images = photographs(channels)
    distances = []
    for severity in (3, 4, 5):  # so small an image has no pixel to blur before
        found = corrupted(name, severity, images)
        assert found.shape == images.shape and found.min() >= 0 and found.max() <= 1
        assert torch.equal((255 * found).round() / 255, found)
        distances.append(float((found - images).abs().mean()))
    assert torch.equal(images, photographs(channels))
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_alike_alone_in_any_batch_and_at_any_time(name: str) -> None:
    images, order = photographs(), torch.tensor([4, 1, 5])
    together = corrupted(name, 3, images)
    torch.manual_seed(5)
    alone = torch.cat([corrupted(name, 3, images[place : place + 1], PLACES[place : place + 1]) for place in order])
    most = 0 if name in ("noise", "impulse") else 1.5 / 255  # of the others, a rounding may fall otherwise
    assert (alone - together[order]).abs().max() <= most


@pytest.mark.parametrize("name", ["noise", "impulse"])
def test_what_is_drawn_differs_by_image_alone_and_leaves_the_process_as_it_was(name: str) -> None:
    same = photographs()[:1].expand(3, -1, -1, -1)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, again, other = corrupted(name, 2, same, torch.tensor([5, 5, 6]))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_a_split_is_corrupted_by_places_in_the_dataset_before_it_is_normalised(tmp_path: Path, batch_size: int) -> None:
    pixels = noise(5)
    save_split(tmp_path, "test", pixels, np.arange(5))
    np.save(tmp_path / "test-indices.npy", np.array([40, 2, 3, 9, 11]))
    images = load_split(tmp_path, "test")
    corrupt = Corrupt("noise", 0.2)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    expected = (corrupt(values, torch.tensor([40, 2, 3, 9, 11])) - 0.5) / 0.25  # as `builders.PLAIN` normalises
    found = torch.cat([batch.images for batch in in_order(images.corrupted(corrupt), batch_size)])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_of_no_strength_it_is_the_image_itself(tmp_path: Path) -> None:
    images = make_images(tmp_path, 6)
    plain = images.batch(torch.arange(6)).images
    for name, nothing in (("noise", 0.0), ("impulse", 0.0), ("blur", 0.0), ("contrast", 1.0), ("pixelate", 1.0)):
        found = images.corrupted(Corrupt(name, nothing)).batch(torch.arange(6)).images
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    assert images.corruption is None
