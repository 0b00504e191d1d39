"""What a cell's page shows of its predictions: confusion of classes, and its worst mistakes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tlbench.data.kept import TestImages, kept_test_images
from tlbench.report.rows import Row
from tlbench.results.records import Record

Kept = Mapping[str, np.ndarray]
MISTAKES = 8
THUMBNAIL = 64
"""Pixels of a thumbnail's side, at most."""
MOST_CLASSES = 100
"""With more classes, nobody reads a confusion matrix."""


@dataclass
class Details:
    """Reads predictions, and collects the thumbnails that the page needs, by dataset digest and image."""

    kept_predictions: Callable[[Record], Kept | None]
    thumbnails: dict[str, str] = field(default_factory=dict)
    _images: dict[str, TestImages | None] = field(default_factory=dict)

    def of(self, row: Row) -> dict[str, Any]:
        """`confusion` (rows are true classes, over all seeds) and `mistakes`, as far as the predictions have them.

        They have classes where `labels` and `predicted` are N integers; `confidence` is that of the prediction.
        """
        kept = [found for record in row.records if record.status == "ok" if (found := self.kept_predictions(record))]
        kept = [each for each in kept if _has_classes(each)]
        names = row.data.names if row.data else []
        if not kept or not names:
            return {}
        mistakes = Mistakes(kept, row)
        return {
            "confusion": mistakes.confusion if len(names) <= MOST_CLASSES else None,
            "mistakes": [each | {"image": self._thumbnail(row, each["index"])} for each in mistakes.worst()],
        }

    def _thumbnail(self, row: Row, index: int) -> str | None:
        """The key of an image's thumbnail; None where the images are not on this machine."""
        digest = row.cell.dataset_digest
        if digest is None:
            return None
        if digest not in self._images:
            self._images[digest] = kept_test_images(digest)
        key = f"{digest[:16]}-{index}"
        images = self._images[digest]
        if key not in self.thumbnails and images is not None and (pixels := images.image(index)) is not None:
            self.thumbnails[key] = _as_png(pixels)
        return key if key in self.thumbnails else None


@dataclass(frozen=True)
class Mistakes:
    """Predictions of classes of all seeds of a cell."""

    kept: list[Kept]
    row: Row

    @cached_property
    def confusion(self) -> list[list[int]]:
        """How many images of each class (row) were predicted as each (column), over all seeds."""
        classes = len(self.row.data.names) if self.row.data else 0
        counts = np.zeros((classes, classes), np.int64)
        for each in self.kept:
            np.add.at(counts, (each["labels"], each["predicted"]), 1)
        return counts.tolist()

    def worst(self) -> Iterator[dict[str, Any]]:
        """The most confident mistakes, the worst first, each image once."""
        wrong = [
            (-float(each["confidence"][place]), int(each["indices"][place]), each, place)
            for each in self.kept
            if "confidence" in each
            for place in np.flatnonzero(each["labels"] != each["predicted"])
        ]
        told: set[int] = set()
        for confidence, index, each, place in sorted(wrong, key=lambda found: found[:2]):
            if index not in told and len(told) < MISTAKES:
                told.add(index)
                names = {"label": int(each["labels"][place]), "predicted": int(each["predicted"][place])}
                yield {"index": index, "confidence": round(-confidence, 4), **names}


def _has_classes(kept: Kept) -> bool:
    found = [kept.get(name) for name in ("labels", "predicted")]
    return all(each is not None and each.ndim == 1 and each.dtype.kind in "iu" for each in found)


def _as_png(pixels: np.ndarray) -> str:
    """A small image as a data URL; of other than 1 or 3 channels, the first in grey."""
    from PIL import Image

    shown = pixels if pixels.shape[-1] == 3 else pixels[..., 0]
    image = Image.fromarray(np.ascontiguousarray(shown))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
