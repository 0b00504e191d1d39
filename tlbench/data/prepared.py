"""A dataset decoded: what was wanted of it, where its files lie, and its facts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tlbench.cache import cache_folder
from tlbench.contracts.backbone import Interpolation
from tlbench.contracts.options import SplitOptions
from tlbench.data.leaks import Leak, equal_to, near_to
from tlbench.data.levels import Levels

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Limits:
    """The protocol's caps on the number of images; None is no cap."""

    train: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be made of a dataset, whose name is for messages: which images, how large, and how resized.

    `task` is the qualified name of its task.
    """

    name: str
    task: str
    options: SplitOptions
    limits: Limits
    image_size: int
    interpolation: Interpolation
    drop_duplicates: bool = False
    skip_unreadable: bool = False


class PreparedDataset(BaseModel):
    """A prepared dataset's facts, and the seconds that it took to prepare when it was.

    `place` is where its files lie, relative to the cache of the machine where it is read, unless a run has them.
    `task` is the task's qualified name, `classes` name classes, labels or targets, and `described` says them in words.
    `mean` and `deviation` are those of the training images' channels, from 0 to 1.
    `digest` covers the labels and pixels of every example used, in order. `available` counts the images of each of the
    dataset's own splits, `images` those that are used. `leaks` are the images of val and test that train has, too,
    `dropped_duplicates` those that were taken out of train for it. `unreadable` are images that were left out, with the
    reasons. `levels` are the values that images of more than 8 bits were scaled from. `lacking` says what the labels of
    the splits lack. `origins` has the dataset's own split that each was taken from. With `streamed` there are no arrays
    of pixels, because they would be larger than the cache may be: the images are decoded again whenever they are
    needed. `wanted` is what it was made for, where it can be made again.
    """

    model_config = ConfigDict(frozen=True)

    place: Path
    task: str
    classes: tuple[str, ...]
    described: str
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    images: dict[str, int]
    available: dict[str, int]
    image_size: int
    native_size: int
    domain: str
    licence: str
    leaks: tuple[Leak, ...]
    dropped_duplicates: int = 0
    unreadable: tuple[str, ...] = ()
    levels: Levels | None = None
    lacking: tuple[str, ...] = ()
    digest: str
    origins: dict[str, str]
    streamed: bool = False
    prepare_seconds: float | None = None
    wanted: Wanted | None = Field(None, exclude=True)

    @property
    def folder(self) -> Path:
        """Where its files lie on this machine, if they do."""
        return cache_folder() / self.place


@dataclass(frozen=True)
class SourceImages:
    """A source dataset in the image size of a target, by its qualified name.

    `outputs` are the places of its classes among the outputs of a published head; None where the head is its own.
    """

    dataset: str
    data: PreparedDataset
    outputs: tuple[int, ...] | None = None


def shared_with_test(target: PreparedDataset, other: PreparedDataset) -> int | None:
    """How many test images are among another dataset's training images, or nearly; None where a sample was decoded."""
    if not target.digest or not other.digest:
        return None
    equal = equal_to(_hashes(target, "test", "hashes"), _hashes(other, "train", "hashes")) >= 0
    near = near_to(_hashes(target, "test", "signatures"), _hashes(other, "train", "signatures")) >= 0
    return int((equal | near).sum())


def _hashes(prepared: PreparedDataset, split: str, kind: str) -> list[bytes]:
    return [row.tobytes() for row in np.load(prepared.folder / f"{split}-{kind}.npy")]
