"""Images of a source decoded and resized in threads; what can't be decoded is named, all of it at once."""

from __future__ import annotations

import functools
import hashlib
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tlbench.contracts.backbone import Interpolation
from tlbench.contracts.dataset import Split
from tlbench.data.arrays import new_array
from tlbench.data.images import as_channels, content_hash, fit, signature
from tlbench.data.levels import Levels, NeedsLevels, Span, span_of
from tlbench.errors import UserError
from tlbench.words import counted

CHUNK = 512
"""Images that are in memory at once while a dataset is prepared."""
NAMED = 20
"""Images that an error names; the rest is counted."""


@dataclass(frozen=True)
class Pool:
    """Decoded examples: their places in the source, labels, strata, content hashes, and rows in an array on disk.

    `digests` are of the resized images, `signatures` their perceptual hashes, `moments` the means and mean squares of
    their channels (N×2×C). Parts of a pool share the array, which
    is None where pixels are not kept; no step holds all images in memory.
    """

    origin: str
    indices: np.ndarray
    labels: np.ndarray
    strata: np.ndarray
    hashes: list[bytes]
    digests: list[bytes]
    signatures: list[bytes]
    moments: np.ndarray
    pixels: np.ndarray | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, chosen: np.ndarray) -> Pool:
        """The examples at `chosen` places."""
        return replace(
            self,
            indices=self.indices[chosen],
            labels=self.labels[chosen],
            strata=self.strata[chosen],
            hashes=[self.hashes[place] for place in chosen],
            digests=[self.digests[place] for place in chosen],
            signatures=[self.signatures[place] for place in chosen],
            moments=self.moments[chosen],
            rows=self.rows[chosen],
        )


@dataclass(frozen=True)
class Decoded:
    """One image: its pixels as wanted, its hashes before and after, and its channels' means and mean squares (2×C)."""

    pixels: np.ndarray
    content: bytes
    digest: bytes
    signature: bytes
    moments: np.ndarray


class Unreadable(Exception):
    """An image that can't be decoded; the message names it and the reason."""


def decode(
    split: Split,
    origin: str,
    indices: np.ndarray,
    labels: np.ndarray,
    strata: np.ndarray,
    *,
    size: int,
    channels: int,
    interpolation: Interpolation,
    levels: Levels | None,
    file: Path | None,
    step: Callable[[], object],
) -> tuple[Pool, list[str]]:
    """Decode some images, into an array on disk where there is a file; and what can't be decoded, with the reasons.

    Raises NeedsLevels where images have more than 8 bits and no levels are given.
    """

    def one(index: int) -> Decoded | Unreadable:
        try:
            image = as_channels(split.image(index), channels, levels)
        except NeedsLevels:
            raise
        except Exception as error:  # a decoder may raise anything on a broken file
            return Unreadable(f"{split.describe(index)}: {error}")
        fitted = fit(image, size, interpolation)
        digest = hashlib.blake2b(fitted.tobytes(), digest_size=16).digest()
        values = fitted.reshape(-1, channels).astype(np.float64) / 255
        moments = np.stack([values.mean(0), np.square(values).mean(0)])
        return Decoded(fitted, content_hash(image), digest, signature(fitted), moments)

    shape = (len(indices), size, size, channels)
    pixels = None if file is None else new_array(file, shape, np.uint8)
    kept: list[int] = []
    done: list[Decoded] = []
    faults: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for begin in range(0, len(indices), CHUNK):
            for place, found in enumerate(workers.map(one, map(int, indices[begin : begin + CHUNK])), begin):
                step()
                if isinstance(found, Unreadable):
                    faults.append(str(found))
                    continue
                if pixels is not None:
                    pixels[len(kept)] = found.pixels
                kept.append(place)
                done.append(replace(found, pixels=NO_PIXELS))
    chosen = np.array(kept, dtype=np.int64)
    pool = Pool(
        origin,
        indices[chosen],
        labels[indices[chosen]],
        strata[indices[chosen]],
        [each.content for each in done],
        [each.digest for each in done],
        [each.signature for each in done],
        np.stack([each.moments for each in done]) if done else np.empty((0, 2, channels)),
        pixels,
        np.arange(len(chosen)),
    )
    return pool, faults


NO_PIXELS = np.empty(0, dtype=np.uint8)


def find_levels(name: str, splits: Mapping[str, Split], drawn: Mapping[str, np.ndarray], channels: int) -> Levels:
    """What the values of train's images of more than 8 bits span; of the other splits' where train has none.

    Those that can't be decoded are left to be named later.
    """
    for split, indices in drawn.items():
        span = span_of_all(splits[split], indices, channels)
        if span is not None and span.high > span.low:
            return span.levels
    raise UserError(f"dataset {name}: all values of its images of more than 8 bits are equal; give range=LOW+HIGH")


def span_of_all(split: Split, indices: np.ndarray, channels: int = 3) -> Span | None:
    """What the values of the images of more than 8 bits span; None where there are no such images."""

    def one(index: int) -> Span | None:
        try:
            return span_of(split.image(index), channels)
        except Exception:  # a decoder may raise anything
            return None

    with ThreadPoolExecutor(os.cpu_count()) as workers:
        spans = [span for span in workers.map(one, map(int, indices)) if span is not None]
    return functools.reduce(operator.or_, spans) if spans else None


def refuse_unreadable(name: str, faults: Sequence[str]) -> None:
    """Raise UserError that names the first images that can't be decoded, if there are any."""
    if faults:
        more = f"\n  and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise UserError(
            f"dataset {name}: {counted(len(faults), 'image')} can't be decoded; repair or remove them, or leave them "
            f"out with --skip-unreadable:\n  " + "\n  ".join(faults[:NAMED]) + more
        )
