"""A dataset decoded once: subsets drawn, splits cut, every image resized into one uint8 array a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from tlbench.contracts import Dataset, Interpolation, Split, SplitOptions
from tlbench.data.images import content_hash, fit, to_rgb
from tlbench.data.split import cut, draw
from tlbench.errors import UserError

VAL_SHARE = 0.1
TEST_SHARE = 0.2

Progress = Callable[[int, int], object]
"""Called with the number of images done and the number in all."""


class PreparedDataset(BaseModel):
    """Where a prepared dataset lies, and its facts.

    `digest` covers the labels and pixels of every example used, in order. `duplicates_train_test` counts the test
    images that also stand, pixel for pixel, in train.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    classes: tuple[str, ...]
    images: dict[str, int]
    image_size: int
    native_size: int
    domain: str
    licence: str
    duplicates_train_test: int
    digest: str


@dataclass(frozen=True)
class Limits:
    """The protocol's caps on the number of images; None is no cap."""

    train: int | None = None
    test: int | None = None


@dataclass
class Pool:
    """Decoded examples of one source split: where they were there, labels, resized pixels, content hashes."""

    indices: np.ndarray
    labels: np.ndarray
    pixels: np.ndarray
    hashes: list[bytes]

    def part(self, chosen: np.ndarray) -> Pool:
        """The examples at `chosen` places."""
        hashes = [self.hashes[place] for place in chosen]
        return Pool(self.indices[chosen], self.labels[chosen], self.pixels[chosen], hashes)


def prepare(
    name: str,
    dataset: Dataset,
    options: SplitOptions,
    limits: Limits,
    image_size: int,
    interpolation: Interpolation,
    folder: Path,
    progress: Progress = lambda _done, _total: None,
) -> PreparedDataset:
    """Decode what the options and limits ask for into `folder`.

    Raises UserError where an option asks for more images than there are, or an image can't be decoded.
    """
    wanted = _sizes(name, dataset, options, limits)
    drawn = {"train": draw(np.asarray(dataset.train.labels), sum(wanted[each] for each in _cut_from_train(dataset)))}
    for split in ("val", "test"):
        source = getattr(dataset, split)
        if source is not None:
            drawn[split] = draw(np.asarray(source.labels), wanted[split])
    total = sum(len(indices) for indices in drawn.values())
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    folder.mkdir(parents=True, exist_ok=True)
    pools = {
        split: _decode(
            name, getattr(dataset, split), indices, image_size, interpolation, folder / f"{split}.pool", step
        )
        for split, indices in drawn.items()
    }
    rest = pools["train"]
    for split in ("test", "val"):
        if split not in pools:
            kept, taken = cut(rest.labels, rest.hashes, wanted[split])
            pools[split], rest = rest.part(taken), rest.part(kept)
    pools["train"] = rest.part(draw(rest.labels, wanted["train"]))
    _check_splits(name, pools)
    for split, pool in pools.items():
        np.save(folder / f"{split}-images.npy", pool.pixels)
        np.save(folder / f"{split}-labels.npy", pool.labels)
        np.save(folder / f"{split}-indices.npy", pool.indices)
    for file in folder.glob("*.pool"):
        file.unlink()
    in_train = set(pools["train"].hashes)
    return PreparedDataset(
        folder=folder,
        classes=tuple(dataset.classes),
        images={split: len(pools[split].labels) for split in ("train", "val", "test")},
        image_size=image_size,
        native_size=dataset.native_size,
        domain=dataset.domain,
        licence=dataset.licence,
        duplicates_train_test=sum(digest in in_train for digest in pools["test"].hashes),
        digest=_digest(pools),
    )


def _cut_from_train(dataset: Dataset) -> list[str]:
    return ["train", *(split for split in ("val", "test") if getattr(dataset, split) is None)]


def _sizes(name: str, dataset: Dataset, options: SplitOptions, limits: Limits) -> dict[str, int]:
    """How many images each split shall have: what the options ask for, else what there is under the limits."""
    have = len(dataset.train)
    asked = {
        split: _asked(name, split, getattr(options, split), have if source is None else len(source))
        for split, source in (("train", dataset.train), ("val", dataset.val), ("test", dataset.test))
    }
    whole = round(TEST_SHARE * have) if dataset.test is None else len(dataset.test)
    test = asked["test"] or min(whole, limits.test or whole)
    room = have - (test if dataset.test is None else 0)
    train = asked["train"] or min(room, limits.train or room)
    whole = max(1, round(VAL_SHARE * train)) if dataset.val is None else len(dataset.val)
    val = asked["val"] or min(whole, limits.test or whole)
    room -= val if dataset.val is None else 0
    if room < 1 or (asked["train"] or 0) > room:
        raise UserError(
            f"dataset {name}: beside {val} val and {test} test images, {max(room, 0)} of {have} are left to train on, "
            f"not {train}; ask for fewer with train=, val= or test="
        )
    return {"train": min(train, room), "val": val, "test": test}


def _asked(name: str, split: str, value: float | None, whole: int) -> int | None:
    if value is None:
        return None
    number = max(1, round(value * whole)) if value < 1 else int(value)
    if number > whole:
        raise UserError(f"dataset {name}: {split}={number} is more than the {whole} images there are")
    return number


def _decode(
    name: str,
    split: Split,
    indices: np.ndarray,
    size: int,
    interpolation: Interpolation,
    file: Path,
    step: Callable[[], None],
) -> Pool:
    shape = (len(indices), size, size, 3)
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    hashes: list[bytes] = []
    for place, index in enumerate(indices):
        try:
            image = to_rgb(split.image(int(index)))
        except Exception as error:  # a decoder may raise anything on a broken file
            raise UserError(
                f"dataset {name}: {split.describe(int(index))} can't be decoded as an image: {error}; "
                f"repair or remove it"
            ) from error
        pixels[place] = fit(image, size, interpolation)
        hashes.append(content_hash(image))
        step()
    return Pool(indices, np.asarray(split.labels, dtype=np.int64)[indices], pixels, hashes)


def _check_splits(name: str, pools: dict[str, Pool]) -> None:
    for split, pool in pools.items():
        if not len(pool.labels):
            raise UserError(f"dataset {name}: {split} has no images; it needs more images, or {split}=N")
    classes = len(np.unique(pools["train"].labels))
    if classes < 2:
        raise UserError(f"dataset {name}: the {len(pools['train'].labels)} training images are all of one class")


def _digest(pools: dict[str, Pool]) -> str:
    digest = hashlib.sha256()
    for split in ("train", "val", "test"):
        digest.update(split.encode())
        digest.update(pools[split].labels.tobytes())
        digest.update(pools[split].pixels.tobytes())
    return digest.hexdigest()
