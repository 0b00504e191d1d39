"""Images of every mode become RGB of known pixel values, square, and are recognised by their content."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from builders import noise

from tlbench.data.images import content_hash, fit, to_rgb
from tlbench.data.levels import Levels


def pixel(image: PIL.Image.Image | np.ndarray, levels: Levels | None = None) -> object:
    converted = to_rgb(image, levels)
    assert converted.mode == "RGB"
    return converted.getpixel((0, 0))


def palette(transparency: bytes | int | None) -> PIL.Image.Image:
    image = PIL.Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


def test_grey_is_repeated() -> None:
    assert pixel(PIL.Image.new("L", (2, 2), 77)) == (77, 77, 77)


def test_bilevel_is_black_and_white() -> None:
    assert pixel(PIL.Image.new("1", (2, 2), 1)) == (255, 255, 255)
    assert pixel(PIL.Image.new("1", (2, 2), 0)) == (0, 0, 0)


def test_palette_is_looked_up() -> None:
    assert pixel(palette(None)) == (10, 20, 30)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_transparent_palette_entry_is_white(transparency: bytes | int) -> None:
    assert pixel(palette(transparency)) == (255, 255, 255)


def test_opaque_entry_of_a_transparent_palette_keeps_its_colour() -> None:
    assert pixel(palette(0)) == (10, 20, 30)


@pytest.mark.parametrize(
    ("mode", "colour", "grey_or_rgb"),
    [("RGBA", (200, 100, 0), (200, 100, 0)), ("LA", (60,), (60, 60, 60))],
)
@pytest.mark.parametrize("alpha", [0, 51, 255])
def test_alpha_is_laid_on_white(
    mode: str, colour: tuple[int, ...], grey_or_rgb: tuple[int, int, int], alpha: int
) -> None:
    expected = [(alpha * value + (255 - alpha) * 255) / 255 for value in grey_or_rgb]
    assert pixel(PIL.Image.new(mode, (2, 2), (*colour, alpha))) == pytest.approx(expected, abs=1)


def test_cmyk_is_converted() -> None:
    assert pixel(PIL.Image.new("CMYK", (2, 2), (0, 0, 0, 0))) == (255, 255, 255)
    assert pixel(PIL.Image.new("CMYK", (2, 2), (0, 255, 255, 0))) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_grey_of_16_bits_is_scaled_from_the_levels_given(mode: str) -> None:
    assert pixel(PIL.Image.new(mode, (2, 2), 0x1234), Levels(0, 65535)) == (18, 18, 18)
    assert pixel(PIL.Image.new(mode, (2, 2), 0x0800), Levels(0, 4095)) == (128, 128, 128)


def test_16_bit_png_from_a_file() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((3, 3), 0xC8C8, np.uint16)).save(file, "png")
    assert pixel(PIL.Image.open(file), Levels(0, 65535)) == (0xC8, 0xC8, 0xC8)


def test_arrays_grey_and_rgb() -> None:
    assert pixel(np.full((2, 3), 9, np.uint8)) == (9, 9, 9)
    colours = noise(1)[0]
    assert np.array_equal(np.asarray(to_rgb(colours)), colours)


def test_arrays_of_one_channel_with_alpha_of_bools_and_of_floats() -> None:
    assert pixel(np.full((2, 3, 1), 9, np.uint8)) == (9, 9, 9)
    assert pixel(np.full((2, 3), True)) == (255, 255, 255)
    assert pixel(np.full((2, 3), 0.4)) == (102, 102, 102)
    assert pixel(np.full((2, 3, 4), (200, 100, 0, 51), np.uint8)) == pytest.approx((244, 224, 204), abs=1)
    assert pixel(np.full((2, 3, 4), (1.0, 0.5, 0.0, 0.2))) == pytest.approx((255, 230, 204), abs=1)
    deep = np.full((2, 3, 4), (4095, 0, 0, 65535), np.uint16)
    assert pixel(deep, Levels(0, 4095)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((2, 3), 1.5), r"its floats lie in 1.5 to 1.5; an array must be H×W"),
        (np.full((2, 3), np.nan), r"its floats lie in nan to nan"),
        (np.zeros((3, 8, 9), np.uint8), r"shape \(3, 8, 9\); its channels come first: transpose it"),
        (np.zeros((8, 9, 5), np.uint8), r"shape \(8, 9, 5\); an array must be H×W"),
        (np.zeros((0, 9), np.uint8), r"shape \(0, 9\)"),
        (np.zeros((8, 9), complex), r"type complex128"),
    ],
)
def test_arrays_that_are_no_images_are_refused_with_the_rule(array: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        to_rgb(array)


def test_fit_takes_the_central_square() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (0, 255, 0)
    for image in (wide, wide.transpose(1, 0, 2).copy()):
        assert (fit(to_rgb(image), 10, "nearest") == (0, 255, 0)).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_fit_resizes_and_leaves_one_colour_one_colour(interpolation: str) -> None:
    fitted = fit(PIL.Image.new("RGB", (13, 21), (1, 2, 3)), 5, interpolation)  # type: ignore[arg-type]
    assert fitted.shape == (5, 5, 3)
    assert fitted.dtype == np.uint8
    assert (fitted == (1, 2, 3)).all()


def test_fit_leaves_an_image_of_the_right_size_as_it_is() -> None:
    pixels = noise(1)[0]
    assert np.array_equal(fit(to_rgb(pixels), 8, "bilinear"), pixels)


def test_content_hash_looks_at_pixels_only() -> None:
    pixels = noise(1)[0]
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "png", compress_level=1)
    assert content_hash(to_rgb(PIL.Image.open(file))) == content_hash(to_rgb(pixels))


def test_content_hash_tells_one_changed_value_and_another_shape() -> None:
    pixels = noise(1)[0]
    changed = pixels.copy()
    changed[3, 4, 1] ^= 1
    hashes = {content_hash(to_rgb(each)) for each in (pixels, changed, pixels.reshape(4, 16, 3))}
    assert len(hashes) == 3
    assert {len(each) for each in hashes} == {16}
