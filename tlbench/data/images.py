"""One image made fit for a batch: of a number of channels, square, uint8."""

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


def as_channels(
    image: PIL.Image.Image | np.ndarray, channels: int, levels: Levels | None = None
) -> PIL.Image.Image | np.ndarray:
    """Any image as one of so many channels: RGB, grey, or an array H×W×channels of uint8.

    Raises NeedsLevels and ValueError as `to_rgb` does.
    """
    if channels == 3:
        return to_rgb(image, levels)
    if channels == 1:
        return to_rgb(image, levels).convert("L")
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != channels:
        raise ValueError(f"it has shape {array.shape}; H×W×{channels} is expected")
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if levels is None and array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        levels = Levels(0, 1)
    if levels is None:
        raise NeedsLevels
    return levels.to_uint8(array)


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


def fit(image: PIL.Image.Image | np.ndarray, size: int, interpolation: Interpolation) -> np.ndarray:
    """The central square of an image, resized to `size` pixels: uint8, size×size×channels."""
    if isinstance(image, np.ndarray):
        planes = (PIL.Image.fromarray(np.ascontiguousarray(image[..., place])) for place in range(image.shape[2]))
        return np.concatenate([fit(plane, size, interpolation) for plane in planes], axis=2)
    fitted = np.asarray(PIL.ImageOps.fit(image, (size, size), method=RESAMPLING[interpolation]))
    return fitted[..., None] if fitted.ndim == 2 else fitted


def content_hash(image: PIL.Image.Image | np.ndarray) -> bytes:
    """16 bytes that are equal for images of equal pixels."""
    height, width = image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)
    return hashlib.blake2b(f"{width}x{height}".encode() + image.tobytes(), digest_size=16).digest()


def signature(pixels: np.ndarray) -> bytes:
    """32 bytes of a perceptual hash (the signs of a cosine transform's low frequencies), by ImageHash.

    Of other than RGB images, the mean over channels is hashed.
    """
    if pixels.shape[2] != 3:
        pixels = pixels.mean(2).round().astype(np.uint8)
    found = imagehash.phash(PIL.Image.fromarray(pixels).convert("L"), hash_size=SIGNATURE_SIDE)
    return np.packbits(found.hash).tobytes()
