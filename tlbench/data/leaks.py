"""Test images that train has, too: the same pixels, or nearly the same to the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

NEAR_BITS = 16
"""Perceptual hashes of 256 bits that differ in no more are near: copies do, other images don't (tests)."""
CHUNK = 256


class Leak(BaseModel):
    """How many images of a split have an equal one in train, and how many more a nearly equal one; and an example."""

    model_config = ConfigDict(frozen=True)

    split: str
    images: int
    equal: int
    near: int
    example: tuple[str, str] | None = None

    def __str__(self) -> str:
        if self.equal:
            said = f"{self.equal} of {self.images} {self.split} images are in train, too"
            said += f", and {self.near} nearly the same" if self.near else ""
        else:
            said = f"{self.near} of {self.images} {self.split} images are nearly the same as one in train"
        return said + (f" (for example {self.example[0]} and {self.example[1]})" if self.example else "")


def equal_to(hashes: Sequence[bytes], others: Sequence[bytes]) -> np.ndarray:
    """For each content hash, the place of an equal one among others, or -1."""
    places = {digest: place for place, digest in reversed(list(enumerate(others)))}
    return np.array([places.get(digest, -1) for digest in hashes], dtype=np.int64)


def near_to(signatures: Sequence[bytes], others: Sequence[bytes]) -> np.ndarray:
    """For each perceptual hash, the place of the nearest one among others if it differs in few bits, else -1."""
    found = np.full(len(signatures), -1, dtype=np.int64)
    if not len(signatures) or not len(others):
        return found
    ours, theirs = _words(signatures), _words(others)
    for begin in range(0, len(ours), CHUNK):
        part = ours[begin : begin + CHUNK]
        bits = np.zeros((len(part), len(theirs)), dtype=np.uint16)
        for word in range(ours.shape[1]):
            bits += np.bitwise_count(part[:, word, None] ^ theirs[None, :, word])
        nearest = bits.argmin(1)
        near = bits[np.arange(len(part)), nearest] <= NEAR_BITS
        found[begin : begin + CHUNK][near] = nearest[near]
    return found


def _words(signatures: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(signatures), dtype=np.uint64).reshape(len(signatures), -1)
