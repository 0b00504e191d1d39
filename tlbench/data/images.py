"""One image made fit for a batch: RGB, square, uint8."""

from __future__ import annotations

import hashlib

import imagehash
import numpy as np
import PIL.Image
import PIL.ImageOps

from tlbench.contracts.backbone import Interpolation
from tlbench.data.levels import RULE, Levels, NeedsLevels, deep_values

RESAMPLING = {
    "nearest": PIL.Image.Resampling.NEAREST,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}
SIGNATURE_SIDE = 16
"""Of a perceptual hash: with 8, unlike images of Fashion-MNIST are equal."""


def to_rgb(image: PIL.Image.Image | np.ndarray, levels: Levels | None = None) -> PIL.Image.Image:
    """An RGB image of any image: grey is repeated, palettes looked up, alpha laid on white, CMYK converted.

    Values of more than 8 bits are scaled from `levels`; floats of an array that lie in 0..1 need none. Raises
    NeedsLevels where they are missing, ValueError on an array that is no image.
    """
    if isinstance(image, np.ndarray):
        image = _of_array(_checked(image), levels)
    elif (values := deep_values(image)) is not None:
        image = PIL.Image.fromarray(_scaled(values, levels))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        white = PIL.Image.new("RGBA", coloured.size, "white")
        return PIL.Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def _checked(array: np.ndarray) -> np.ndarray:
    """An array as H×W, H×W×3 or H×W×4."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)):
        if array.size and array.dtype.kind in "buif":
            return array
        raise ValueError(f"it has shape {array.shape} and type {array.dtype}; {RULE}")
    first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
    hint = "; its channels come first: transpose it to H×W×channels" if first else ""
    raise ValueError(f"it has shape {array.shape}{hint}; {RULE}")


def _of_array(array: np.ndarray, levels: Levels | None) -> PIL.Image.Image:
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        if levels is None and array.dtype.kind == "f":
            if not (array.min() >= 0 and array.max() <= 1):
                raise ValueError(f"its floats lie in {array.min():g} to {array.max():g}; {RULE}")
            levels = Levels(0, 1)
        array = _scaled(array, levels)
    return PIL.Image.fromarray(np.ascontiguousarray(array))


def _scaled(values: np.ndarray, levels: Levels | None) -> np.ndarray:
    """As uint8; alpha, a fourth channel, goes from 0 to what its type can hold."""
    if levels is None:
        raise NeedsLevels
    if values.ndim == 2 or values.shape[2] == 3:
        return levels.to_uint8(values)
    opaque = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    colours, alpha = levels.to_uint8(values[..., :3]), Levels(0, opaque).to_uint8(values[..., 3:])
    return np.concatenate([colours, alpha], axis=2)


def fit(image: PIL.Image.Image, size: int, interpolation: Interpolation) -> np.ndarray:
    """The central square of an RGB image, resized to `size` pixels: uint8, size×size×3."""
    return np.asarray(PIL.ImageOps.fit(image, (size, size), method=RESAMPLING[interpolation]))


def content_hash(image: PIL.Image.Image) -> bytes:
    """16 bytes that are equal for images of equal RGB pixels."""
    header = f"{image.width}x{image.height}".encode()
    return hashlib.blake2b(header + image.tobytes(), digest_size=16).digest()


def signature(pixels: np.ndarray) -> bytes:
    """32 bytes of a perceptual hash (the signs of a cosine transform's low frequencies), by ImageHash."""
    found = imagehash.phash(PIL.Image.fromarray(pixels).convert("L"), hash_size=SIGNATURE_SIDE)
    return np.packbits(found.hash).tobytes()
