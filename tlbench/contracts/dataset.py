"""A dataset: split, labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image


@dataclass(frozen=True)
class Split:
    """Labelled images: `image(i)` decodes example `i`, whose label is `labels[i]`.

    What labels are is the task's: the number of a class for each example, a row of zeros and ones, or numbers.

    `image` gives a PIL image of any mode, or an array, H×W, H×W×1, H×W×3 or H×W×4, of uint8, bool, floats in 0..1, or
    other integers, which are scaled alike for the whole dataset. `describe(i)` names the example in an error message:
    its file, where it has one. `image` may be called from several threads at once.
    """

    labels: Sequence[object] | np.ndarray
    image: Callable[[int], PIL.Image.Image | np.ndarray]
    describe: Callable[[int], str] = "example {}".format

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A split, labelled image collection.

    `task` names what is predicted, as it is registered; `classes` names the classes, the labels, or the targets. Where
    `val` (or `test`) is None, a stratified one is cut from `train` by content hash. `native_size` is the usual length
    in pixels of an image's shorter side; the default image size follows it. `fingerprint` changes whenever an image or
    a label does; a dataset that states one is decoded once and kept for later runs. `channels` says how images are
    read: 3 as RGB, 1 as grey, any other number as arrays H×W×channels, as they are. `value_range` has the values that
    become black and white in images of more than 8 bits; left out, they follow from the images. `notes` are sentences
    for the person who starts a run, on what was found and left out.
    """

    classes: Sequence[str]
    train: Split
    native_size: int
    val: Split | None = None
    test: Split | None = None
    domain: str = "unknown"
    licence: str = "unknown"
    fingerprint: str | None = None
    value_range: tuple[float, float] | None = None
    notes: Sequence[str] = ()
    task: str = "single-label"
    channels: int = 3
