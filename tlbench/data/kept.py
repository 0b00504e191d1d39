"""The test images of a dataset, as the cache still has them: for reports, which have no need of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from tlbench.cache import cache_folder


@dataclass(frozen=True)
class TestImages:
    """Decoded test images, N×S×S×channels of uint8, and the place of each in the dataset's own split."""

    pixels: np.ndarray
    places: dict[int, int]

    def image(self, index: int) -> np.ndarray | None:
        """The image of an index that predictions name; None where it is not among them."""
        return self.pixels[self.places[index]] if index in self.places else None


def kept_test_images(digest: str) -> TestImages | None:
    """The test images of the dataset with a digest; None where they are not in the cache of this machine."""
    for description in (cache_folder() / "stages" / "dataset").glob("*/dataset.json"):
        try:
            if json.loads(description.read_text("utf-8")).get("digest") != digest:
                continue
            pixels = np.load(description.parent / "test-images.npy", mmap_mode="r")
            indices = np.load(description.parent / "test-indices.npy")
        except (OSError, ValueError):  # removed meanwhile, or the images are decoded whenever they are needed
            continue
        return TestImages(pixels, {int(index): place for place, index in enumerate(indices)})
    return None
