"""Images of every mode become RGB of known pixel values, square, and are recognised by their content."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from builders import noise

from tlbench.data.images import content_hash, fit, to_rgb


def pixel(image: PIL.Image.Image | np.ndarray) -> object:
    converted = to_rgb(image)
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
def test_16_bit_grey_keeps_its_upper_8_bits(mode: str) -> None:
    assert pixel(PIL.Image.new(mode, (2, 2), 0x12FF)) == (0x12, 0x12, 0x12)


def test_16_bit_png_from_a_file() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((3, 3), 0xC8FE, np.uint16)).save(file, "png")
    assert pixel(PIL.Image.open(file)) == (0xC8, 0xC8, 0xC8)


def test_arrays_grey_and_rgb() -> None:
    assert pixel(np.full((2, 3), 9, np.uint8)) == (9, 9, 9)
    colours = noise(1)[0]
    assert np.array_equal(np.asarray(to_rgb(colours)), colours)


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
