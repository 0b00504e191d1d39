"""Images of more than 8 bits, or of floats: which values are black and white, for all images of a dataset alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image

BITS = (8, 10, 12, 14, 16)
"""Depths of sensors: integers span the first of them that holds the largest."""
LEAST_USED = 1 / 4
"""The share of a usual range below which values are scaled from what they span: less would leave 64 grey levels."""
TIFF_BITS, TIFF_LARGEST = 258, 281
RULE = "an array must be H×W, H×W×1, H×W×3 or H×W×4, of uint8, bool, other integers, or floats in 0..1"


@dataclass(frozen=True)
class Levels:
    """The values that become 0 and 255; what lies outside becomes 0 or 255, too."""

    low: float
    high: float

    def to_uint8(self, values: np.ndarray) -> np.ndarray:
        """Values scaled to 0..255 and rounded; raises ValueError on what is not a number."""
        if not np.isfinite(values).all():
            raise ValueError("it has values that are infinite or not a number")
        scaled = (values.astype(np.float64) - self.low) * (255 / (self.high - self.low))
        return np.rint(scaled).clip(0, 255).astype(np.uint8)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


class NeedsLevels(Exception):
    """An image has more than 8 bits, and which of its values are black and white was not said."""


@dataclass(frozen=True)
class Span:
    """The smallest and largest value of some images, whether all are integers, and the largest that a file states."""

    low: float
    high: float
    integers: bool
    stated: float | None = None

    def __or__(self, other: Span) -> Span:
        stated = None if self.stated is None or other.stated is None else max(self.stated, other.stated)
        integers = self.integers and other.integers
        return Span(min(self.low, other.low), max(self.high, other.high), integers, stated)

    @property
    def levels(self) -> Levels:
        """From 0 to what the files state; else from 0 to the usual value (of integers a sensor's depth, of floats 1 or
        255) that holds all; where there is none, or a small share of it is used, from the smallest to the largest.
        """
        if self.low >= 0 and self.integers and self.stated is not None and self.stated >= self.high:
            return Levels(0, self.stated)
        usual: tuple[float, ...] = tuple(2**bits - 1 for bits in BITS) if self.integers else (1.0, 255.0)
        top = next((each for each in usual if self.high <= each), None)
        if self.low < 0 or top is None or self.high - self.low < LEAST_USED * top:
            return Levels(self.low, self.high)
        return Levels(0, top)


def span_of(image: PIL.Image.Image | np.ndarray, channels: int = 3) -> Span | None:
    """What an image's values span; None where it has 8 bits, or its floats are not numbers."""
    values = deep_values(image)
    if values is not None and values.ndim == 3 and channels <= 3:
        values = values[..., :3]  # alpha has a scale of its own
    if values is None or not values.size or not np.isfinite(values).all():
        return None
    integers = bool(np.issubdtype(values.dtype, np.integer))
    return Span(float(values.min()), float(values.max()), integers, _stated(image))


def deep_values(image: PIL.Image.Image | np.ndarray) -> np.ndarray | None:
    """An image's values as an array where they are not 8 bits; else None."""
    if isinstance(image, np.ndarray):
        return None if image.dtype in (np.uint8, np.bool_) else image
    return np.asarray(image) if image.mode.startswith("I") or image.mode == "F" else None


def _stated(image: PIL.Image.Image | np.ndarray) -> float | None:
    """The largest value that a TIFF file says its pixels can have, where it says less than its format's."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    bits, largest = tags.get(TIFF_BITS, (16,)), tags.get(TIFF_LARGEST)
    if largest is not None:
        return float(largest[0] if isinstance(largest, tuple) else largest)
    depth = int(bits[0] if isinstance(bits, tuple) else bits)
    return float(2**depth - 1) if depth < 16 else None
