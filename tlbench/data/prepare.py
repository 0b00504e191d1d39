"""A dataset decoded once: subsets drawn, splits cut, every image resized into one uint8 array a split."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from tlbench.cache import StageCache, cache_limit_bytes
from tlbench.contracts import Dataset, Interpolation, Split, SplitOptions
from tlbench.data.images import content_hash, fit, to_rgb
from tlbench.data.split import cut, draw
from tlbench.errors import UserError

CHUNK = 512
"""Images that are in memory at once while a dataset is prepared."""
VERSION = 2
"""Of this module: to be raised when the same request gives other pixels or splits."""
DESCRIPTION = "dataset.json"
VAL_SHARE = 0.1
TEST_SHARE = 0.2

Progress = Callable[[int, int], object]
"""Called with the number of images done and the number in all."""


class PreparedDataset(BaseModel):
    """Where a prepared dataset lies, its facts, and the seconds that it took to prepare when it was.

    `digest` covers the labels and pixels of every example used, in order. `duplicates_train_test` counts the test
    images that also stand, pixel for pixel, in train. `origins` has the dataset's own split that each was taken from.
    With `streamed` there are no arrays of pixels, because they would be larger than the cache may be: the images are
    decoded again whenever they are needed.
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
    origins: dict[str, str]
    streamed: bool = False
    prepare_seconds: float | None = None


@dataclass(frozen=True)
class Limits:
    """The protocol's caps on the number of images; None is no cap."""

    train: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be made of a dataset, whose name is for messages: which images, how large, and how resized."""

    name: str
    options: SplitOptions
    limits: Limits
    image_size: int
    interpolation: Interpolation


@dataclass(frozen=True)
class Pool:
    """Decoded examples: where they were in the source, labels, content hashes, and their rows in an array on disk.

    `digests` are of the resized images. Parts of a pool share the array, which is None where pixels are not kept; no
    step holds all images in memory.
    """

    origin: str
    indices: np.ndarray
    labels: np.ndarray
    hashes: list[bytes]
    digests: list[bytes]
    pixels: np.ndarray | None
    rows: np.ndarray

    def part(self, chosen: np.ndarray) -> Pool:
        """The examples at `chosen` places."""
        hashes, digests = ([each[place] for place in chosen] for each in (self.hashes, self.digests))
        rows = self.rows[chosen]
        return Pool(self.origin, self.indices[chosen], self.labels[chosen], hashes, digests, self.pixels, rows)


def prepare_cached(
    wanted: Wanted, dataset: Dataset, cache: StageCache, progress: Progress = lambda _done, _total: None
) -> PreparedDataset:
    """`prepare`, kept in the cache under the dataset's fingerprint and all that decides the pixels."""
    key = {
        "version": VERSION,
        "fingerprint": dataset.fingerprint,
        "options": wanted.options.model_dump(mode="json", include=set(SplitOptions.model_fields)),
        "limits": dataclasses.asdict(wanted.limits),
        "image_size": wanted.image_size,
        "interpolation": wanted.interpolation,
        "pillow": version("pillow"),
        "streamed": _too_large(sum(_sizes(wanted, dataset).values()), wanted.image_size),
    }

    def compute(folder: Path) -> None:
        made = prepare(wanted, dataset, folder, progress)
        (folder / DESCRIPTION).write_text(made.model_dump_json(), "utf-8")

    kept = cache.get("dataset", key, compute)
    made = PreparedDataset.model_validate_json((kept.path / DESCRIPTION).read_text("utf-8"))
    return made.model_copy(update={"folder": kept.path, "prepare_seconds": kept.seconds})


def prepare(
    wanted: Wanted, dataset: Dataset, folder: Path, progress: Progress = lambda _done, _total: None
) -> PreparedDataset:
    """Decode what the options and limits ask for into `folder`.

    Raises UserError where an option asks for more images than there are, or an image can't be decoded.
    """
    sizes = _sizes(wanted, dataset)
    drawn = {"train": draw(np.asarray(dataset.train.labels), sum(sizes[each] for each in _cut_from_train(dataset)))}
    for split in ("val", "test"):
        source = getattr(dataset, split)
        if source is not None:
            drawn[split] = draw(np.asarray(source.labels), sizes[split])
    total = sum(len(indices) for indices in drawn.values())
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    folder.mkdir(parents=True, exist_ok=True)
    streamed = _too_large(total, wanted.image_size)
    pools = {
        split: _decode(wanted, dataset, split, indices, None if streamed else folder / f"{split}.pool", step)
        for split, indices in drawn.items()
    }
    rest = pools["train"]
    for split in ("test", "val"):
        if split not in pools:
            kept, taken = cut(rest.labels, rest.hashes, sizes[split])
            pools[split], rest = rest.part(taken), rest.part(kept)
    pools["train"] = rest.part(draw(rest.labels, sizes["train"]))
    _check_splits(wanted.name, pools)
    for split, pool in pools.items():
        _save(pool, split, folder)
    for file in folder.glob("*.pool"):
        file.unlink()
    in_train = set(pools["train"].hashes)
    return PreparedDataset(
        folder=folder,
        classes=tuple(dataset.classes),
        images={split: len(pools[split].labels) for split in ("train", "val", "test")},
        image_size=wanted.image_size,
        native_size=dataset.native_size,
        domain=dataset.domain,
        licence=dataset.licence,
        duplicates_train_test=sum(digest in in_train for digest in pools["test"].hashes),
        digest=_digest(pools),
        origins={split: pool.origin for split, pool in pools.items()},
        streamed=streamed,
    )


def _too_large(images: int, image_size: int) -> bool:
    """Whether arrays of so many images would be more than the cache may hold."""
    return images * image_size**2 * 3 > cache_limit_bytes()


def _cut_from_train(dataset: Dataset) -> list[str]:
    return ["train", *(split for split in ("val", "test") if getattr(dataset, split) is None)]


def _sizes(wanted: Wanted, dataset: Dataset) -> dict[str, int]:
    """How many images each split shall have: what the options ask for, else what there is under the limits."""
    name, options, limits = wanted.name, wanted.options, wanted.limits
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
    wanted: Wanted,
    dataset: Dataset,
    origin: str,
    indices: np.ndarray,
    file: Path | None,
    step: Callable[[], None],
) -> Pool:
    """Decode and resize in threads (the decoders leave Python's lock), into an array on disk where there is a file."""
    size = wanted.image_size
    split: Split = getattr(dataset, origin)

    def one(index: int) -> tuple[np.ndarray, bytes, bytes]:
        try:
            image = to_rgb(split.image(index))
        except Exception as error:  # a decoder may raise anything on a broken file
            what = f"dataset {wanted.name}: {split.describe(index)}"
            raise UserError(f"{what} can't be decoded as an image: {error}; repair or remove it") from error
        fitted = fit(image, size, wanted.interpolation)
        return fitted, content_hash(image), hashlib.blake2b(fitted.tobytes(), digest_size=16).digest()

    shape = (len(indices), size, size, 3)
    pixels = None if file is None else np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    hashes: list[bytes] = []
    digests: list[bytes] = []
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for begin in range(0, len(indices), CHUNK):
            for decoded, content, digest in workers.map(one, (int(index) for index in indices[begin : begin + CHUNK])):
                if pixels is not None:
                    pixels[len(hashes)] = decoded
                hashes.append(content)
                digests.append(digest)
                step()
    labels = np.asarray(split.labels, dtype=np.int64)[indices]
    return Pool(origin, indices, labels, hashes, digests, pixels, np.arange(len(indices)))


def _save(pool: Pool, split: str, folder: Path) -> None:
    if pool.pixels is not None:
        shape = (len(pool.rows), *pool.pixels.shape[1:])
        images = np.lib.format.open_memmap(folder / f"{split}-images.npy", mode="w+", dtype=np.uint8, shape=shape)
        for begin in range(0, len(pool.rows), CHUNK):
            images[begin : begin + CHUNK] = pool.pixels[pool.rows[begin : begin + CHUNK]]
        images.flush()
    np.save(folder / f"{split}-labels.npy", pool.labels)
    np.save(folder / f"{split}-indices.npy", pool.indices)


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
        for each in pools[split].digests:
            digest.update(each)
    return digest.hexdigest()
