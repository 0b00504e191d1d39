"""One image made fit for a batch: RGB, square, uint8."""

from __future__ import annotations

import hashlib

import numpy as np
import PIL.Image
import PIL.ImageOps

from tlbench.contracts import Interpolation

RESAMPLING = {
    "nearest": PIL.Image.Resampling.NEAREST,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}


def to_rgb(image: PIL.Image.Image | np.ndarray) -> PIL.Image.Image:
    """An RGB image of any image: grey is repeated, palettes looked up, alpha laid on white, CMYK converted.

    16-bit grey keeps its upper 8 bits. Arrays are uint8, H×W or H×W×3.
    """
    if isinstance(image, np.ndarray):
        image = PIL.Image.fromarray(image)
    if image.mode.startswith("I"):  # 16-bit grey, as I;16 or widened to I; PIL's own conversion would clip it at 255
        image = PIL.Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        white = PIL.Image.new("RGBA", coloured.size, "white")
        return PIL.Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def fit(image: PIL.Image.Image, size: int, interpolation: Interpolation) -> np.ndarray:
    """The central square of an RGB image, resized to `size` pixels: uint8, size×size×3."""
    return np.asarray(PIL.ImageOps.fit(image, (size, size), method=RESAMPLING[interpolation]))


def content_hash(image: PIL.Image.Image) -> bytes:
    """16 bytes that are equal for images of equal RGB pixels."""
    header = f"{image.width}x{image.height}".encode()
    return hashlib.blake2b(header + image.tobytes(), digest_size=16).digest()
