"""A dataset: splits of labelled images, and their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from tlbench import Dataset, Split, SplitOptions

if TYPE_CHECKING:
    import numpy as np

CLASSES = ("circle", "square", "triangle")
SIDE = 32
PER_CLASS = {"train": 120, "test": 40}
SEEDS = {"train": 0, "test": 1}


class ShapesOptions(SplitOptions):
    """Given behind the name: `shapes:noise=0.3:train=100`. `SplitOptions` has train, val and test: how many images."""

    noise: float = Field(0.1, ge=0, le=1, description="standard deviation of the noise, where white is 1")


def make_shapes(options: ShapesOptions) -> Dataset:
    """Shapes in noise; called when a run uses the dataset."""
    return Dataset(
        classes=CLASSES,
        train=make_split("train", options.noise),
        test=make_split("test", options.noise),  # val is cut from train, as none is given
        native_size=SIDE,
        domain="synthetic",
        licence="CC0-1.0",
        fingerprint=f"shapes 1 {options.noise}",  # change it whenever an image or a label changes
    )


def make_split(name: str, noise: float) -> Split:
    """A split of as many images of each class."""
    import numpy as np

    labels = np.arange(len(CLASSES) * PER_CLASS[name]) % len(CLASSES)
    # an image is drawn when it is asked for, and is the same each time
    return Split(labels, lambda place: draw(int(labels[place]), noise, (SEEDS[name], place)))


def draw(label: int, noise: float, seed: tuple[int, int]) -> np.ndarray:
    """An image, SIDE×SIDE×3 of uint8."""
    import numpy as np

    random = np.random.default_rng(seed)
    radius = random.uniform(5, 10)
    x, y = random.uniform(radius, SIDE - radius, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    down, across = rows - y, np.abs(columns - x)
    inside = (
        across**2 + down**2 < radius**2,
        np.maximum(across, np.abs(down)) < radius * 0.9,
        (np.abs(down) < radius) & (across < (down + radius) / 2),
    )[label]
    grey = np.where(inside, 0.8, 0.2) + random.normal(0, noise, (SIDE, SIDE))
    return np.repeat((grey.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
