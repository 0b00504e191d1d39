"""Images of more than 8 bits: black and white are the same values for all images of a dataset, and the usual ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest

from tlbench.data.image_files import open_image
from tlbench.data.images import to_rgb
from tlbench.data.levels import Levels, NeedsLevels, Span, span_of


@pytest.mark.parametrize(
    ("span", "levels"),
    [
        (Span(0, 200, True), Levels(0, 255)),
        (Span(3, 900, True), Levels(0, 1023)),
        (Span(3, 4000, True), Levels(0, 4095)),
        (Span(0, 16000, True), Levels(0, 16383)),
        (Span(0, 60000, True), Levels(0, 65535)),
        (Span(0, 2**31 - 1, True), Levels(0, 2**31 - 1)),
        (Span(0, 100_000, True), Levels(0, 100_000)),
        (Span(31_744, 36_000, True), Levels(31_744, 36_000)),  # tomography, with an offset
        (Span(0, 4.5, False), Levels(0, 4.5)),
        (Span(0.4, 0.6, False), Levels(0.4, 0.6)),
        (Span(-100, 900, True), Levels(-100, 900)),
        (Span(0, 900, True, stated=4095), Levels(0, 4095)),
        (Span(0, 0.7, False), Levels(0, 1)),
        (Span(0, 254.5, False), Levels(0, 255)),
        (Span(0, 700.0, False), Levels(0, 700)),
        (Span(-3.0, 0.5, False), Levels(-3, 0.5)),
    ],
)
def test_levels_follow_from_what_values_span(span: Span, levels: Levels) -> None:
    assert span.levels == levels


def test_spans_join() -> None:
    assert Span(0, 5, True) | Span(-1, 3, False) == Span(-1, 5, False)
    assert (Span(0, 5, True, 4095) | Span(0, 5, True)).stated is None


def test_values_are_scaled_and_clipped() -> None:
    values = np.array([-5, 0, 2048, 4095, 9000])
    assert Levels(0, 4095).to_uint8(values).tolist() == [0, 0, 128, 255, 255]
    assert Levels(-1, 1).to_uint8(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]
    with pytest.raises(ValueError, match="not a number"):
        Levels(0, 1).to_uint8(np.array([np.nan]))


GRADIENT = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.mark.parametrize(
    ("pixels", "levels"),
    [
        ((GRADIENT * 4095).round().astype(np.uint16), Levels(0, 4095)),
        (GRADIENT.astype(np.float32), Levels(0, 1)),
        ((GRADIENT * (2**31 - 1)).astype(np.int32), Levels(0, 2**31 - 1)),
    ],
)
def test_tiff_files_of_12_bits_floats_and_32_bits_keep_their_grey_levels(
    tmp_path: Path, pixels: np.ndarray, levels: Levels
) -> None:
    file = tmp_path / "image.tif"
    PIL.Image.fromarray(pixels).save(file)
    opened = open_image(file)
    with pytest.raises(NeedsLevels):
        to_rgb(opened)
    span = span_of(opened)
    assert span is not None and span.levels == levels
    grey = np.asarray(to_rgb(opened, span.levels))[..., 0]
    expected = np.rint(255 * (pixels.astype(float) - levels.low) / (levels.high - levels.low))
    assert np.abs(grey - expected).max() <= 1
    assert len(np.unique(grey)) > 100


def test_a_tiff_file_that_states_its_largest_value_is_believed(tmp_path: Path) -> None:
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    tags[281] = 4095
    PIL.Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "image.tif", tiffinfo=tags)
    span = span_of(open_image(tmp_path / "image.tif"))
    assert span is not None and span.levels == Levels(0, 4095)


def test_8_bits_need_no_levels() -> None:
    assert span_of(np.zeros((2, 2), np.uint8)) is None
    assert span_of(PIL.Image.new("RGB", (2, 2))) is None


def test_16_bit_colours_are_read_where_they_use_16_bits_and_refused_where_they_dont(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    file = tmp_path / "deep.png"
    file.write_bytes(png_of_16_bits(colours))
    assert np.array_equal(np.asarray(open_image(file)), colours >> 8)
    file.write_bytes(png_of_16_bits(colours >> 4))
    with pytest.raises(ValueError, match="have 16 bits, but use 16 of the upper 256 levels"):
        open_image(file)


def png_of_16_bits(colours: np.ndarray) -> bytes:
    """A PNG file of 16-bit RGB, which Pillow can't write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = colours.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
