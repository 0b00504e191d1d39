"""What a cell's page shows of its predictions: confusion of classes, and its worst mistakes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tlbench.data.kept import TestImages, kept_test_images
from tlbench.report.page.mistakes import Kept, confusion, has_classes, worst
from tlbench.report.rows import Row
from tlbench.results.records import Record

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
        """`confusion` (rows are true classes, over all seeds), and `mistakes` under a heading, where there are any.

        What tasks keep is told by `Objective.kept`.
        """
        every = (self.kept_predictions(record) for record in row.records if record.status == "ok")
        kept = [each for each in every if each is not None]
        names = row.data.names if row.data else []
        if not kept or not names:
            return {}
        heading, mistakes = worst(kept, names)
        classes = all(map(has_classes, kept)) and len(names) <= MOST_CLASSES
        return {
            "confusion": confusion(kept, len(names)) if classes else None,
            "mistakes_heading": heading,
            "mistakes": [each | {"image": self._thumbnail(row, each["index"])} for each in mistakes],
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


def _as_png(pixels: np.ndarray) -> str:
    """A small image as a data URL; of other than 1 or 3 channels, the first in grey."""
    from PIL import Image

    shown = pixels if pixels.shape[-1] == 3 else pixels[..., 0]
    image = Image.fromarray(np.ascontiguousarray(shown))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
