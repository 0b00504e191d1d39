"""A dataset decoded once: subsets drawn, splits cut, every image resized into one uint8 array a split."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tlbench.cache import StageCache, cache_folder, cache_limit_bytes
from tlbench.contracts.dataset import Dataset, Split
from tlbench.contracts.options import SplitOptions
from tlbench.contracts.task import Task
from tlbench.data.arrays import new_array
from tlbench.data.decode import CHUNK, Pool, decode, find_levels, refuse_unreadable
from tlbench.data.labels import check_labels
from tlbench.data.leaks import Leak, equal_to, near_to
from tlbench.data.levels import Levels, NeedsLevels
from tlbench.data.prepared import SPLITS, PreparedDataset, Wanted
from tlbench.data.sizes import cut_from_train, split_sizes
from tlbench.data.split import draw, hold_out
from tlbench.errors import UserError
from tlbench.temporary import temporary_folder
from tlbench.words import legible

VERSION = 8
"""Of this module: to be raised when the same request gives other pixels or splits."""
DESCRIPTION = "dataset.json"

Progress = Callable[[int, int], object]
"""Called with the number of images done and the number in all."""


def prepare_cached(
    wanted: Wanted, dataset: Dataset, task: Task, cache: StageCache, progress: Progress = lambda _done, _total: None
) -> PreparedDataset:
    """`prepare`, kept in the cache under the dataset's fingerprint and all that decides the pixels."""
    key = {
        "version": VERSION,
        "fingerprint": dataset.fingerprint,
        "task": wanted.task,
        "options": wanted.options.model_dump(mode="json", include=set(SplitOptions.model_fields)),
        "limits": dataclasses.asdict(wanted.limits),
        "image_size": wanted.image_size,
        "interpolation": wanted.interpolation,
        "drop_duplicates": wanted.drop_duplicates,
        "skip_unreadable": wanted.skip_unreadable,
        "value_range": dataset.value_range,
        "pillow": version("pillow"),
        "streamed": _too_large(sum(split_sizes(wanted, dataset).values()), wanted.image_size, dataset.channels),
        "channels": dataset.channels,
    }

    def compute(folder: Path) -> None:
        made = prepare(wanted, dataset, task, folder, progress)
        (folder / DESCRIPTION).write_text(made.model_dump_json(), "utf-8")

    kept = cache.get("dataset", key, compute)
    made = PreparedDataset.model_validate_json((kept.path / DESCRIPTION).read_text("utf-8"))
    place = kept.path.relative_to(cache_folder()) if kept.path.is_relative_to(cache_folder()) else kept.path
    return made.model_copy(update={"place": place, "prepare_seconds": kept.seconds, "wanted": wanted})


def at_hand(
    prepared: PreparedDataset, dataset: Callable[[], Dataset], task: Task, cache: Callable[[], StageCache]
) -> PreparedDataset:
    """The same, made again where the cache was emptied meanwhile; raises UserError where it comes out unlike."""
    if (prepared.folder / "test-labels.npy").exists() or prepared.wanted is None:
        return prepared
    again = prepared_again(prepared.wanted, dataset(), task, cache())
    if again.digest != prepared.digest:
        raise UserError(
            f"dataset {prepared.wanted.name}: its images were removed from the cache during the run, and the dataset "
            f"has changed since; start another run"
        )
    return again


def prepared_again(wanted: Wanted, dataset: Dataset, task: Task, cache: StageCache) -> PreparedDataset:
    """A dataset decoded on another machine than the run's, or after the cache was emptied."""
    if dataset.fingerprint is not None:
        return prepare_cached(wanted, dataset, task, cache)
    return prepare(wanted, dataset, task, Path(tempfile.mkdtemp(prefix="dataset-", dir=temporary_folder())))


def prepare(
    wanted: Wanted, dataset: Dataset, task: Task, folder: Path, progress: Progress = lambda _done, _total: None
) -> PreparedDataset:
    """Decode what the options and limits ask for into `folder`.

    Raises UserError where labels are wrong, an option asks for more images than there are, or an image can't be
    decoded.
    """
    sizes = split_sizes(wanted, dataset)
    labels = check_labels(wanted.name, dataset, task)
    strata = {split: task.strata(each) for split, each in labels.items()}
    drawn = {"train": draw(strata["train"], sum(sizes[each] for each in cut_from_train(dataset)))}
    drawn |= {split: draw(strata[split], sizes[split]) for split in ("val", "test") if split in labels}
    folder.mkdir(parents=True, exist_ok=True)
    streamed = _too_large(sum(map(len, drawn.values())), wanted.image_size, dataset.channels)
    pools, levels, unreadable = _decoded(wanted, dataset, drawn, labels, strata, None if streamed else folder, progress)
    rest = pools["train"]
    for split in ("test", "val"):
        if split not in pools:
            kept, taken = hold_out(rest.strata, rest.hashes, sizes[split])
            pools[split], rest = rest.part(taken), rest.part(kept)
    dropped = 0
    if wanted.drop_duplicates:
        alone = np.flatnonzero(~_is_also_in(rest, (pools["val"], pools["test"])))
        dropped, rest = len(rest) - len(alone), rest.part(alone)
    pools["train"] = rest.part(draw(rest.strata, sizes["train"]))
    names = tuple(legible(str(each)) for each in dataset.classes)
    _check_splits(wanted.name, names, task, pools)
    for split, pool in pools.items():
        _save(pool, split, folder)
    for file in folder.glob("*.pool"):
        file.unlink()
    mean, deviation = _moments(pools["train"])
    leaks = tuple(_leak(dataset, pools[split], split, pools["train"]) for split in ("val", "test"))
    return PreparedDataset(
        place=folder.absolute(),
        task=wanted.task,
        classes=names,
        described=task.described(names),
        channels=dataset.channels,
        mean=mean,
        deviation=deviation,
        images={split: len(pools[split]) for split in SPLITS},
        available={split: len(each) for split, each in labels.items()},
        image_size=wanted.image_size,
        native_size=dataset.native_size,
        domain=dataset.domain,
        licence=dataset.licence,
        leaks=leaks,
        dropped_duplicates=dropped,
        unreadable=tuple(map(legible, unreadable)),
        levels=levels,
        lacking=tuple(task.notes(names, {split: pools[split].labels for split in SPLITS})),
        digest=_digest(pools),
        origins={split: pool.origin for split, pool in pools.items()},
        streamed=streamed,
        wanted=wanted,
    )


def _decoded(
    wanted: Wanted,
    dataset: Dataset,
    drawn: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    strata: dict[str, np.ndarray],
    folder: Path | None,
    progress: Progress,
) -> tuple[dict[str, Pool], Levels | None, list[str]]:
    """All sources decoded, the levels that deep images were scaled from, and what could not be decoded.

    Images of more than 8 bits are only known when one is met: then all are looked at for the levels that they span,
    and decoded again.
    """
    total = sum(map(len, drawn.values()))

    def decode_all(levels: Levels | None) -> tuple[dict[str, Pool], list[str]]:
        counted = itertools.count(1)
        pools: dict[str, Pool] = {}
        faults: list[str] = []
        for split, indices in drawn.items():
            pools[split], unreadable = decode(
                getattr(dataset, split), split, indices, labels[split], strata[split],
                size=wanted.image_size, channels=dataset.channels, interpolation=wanted.interpolation, levels=levels,
                file=None if folder is None else folder / f"{split}.pool",
                step=lambda: progress(next(counted), total),
            )  # fmt: skip
            faults += unreadable
        return pools, faults

    levels = None if dataset.value_range is None else Levels(*dataset.value_range)
    try:
        pools, faults = decode_all(levels)
    except NeedsLevels:
        levels = find_levels(wanted.name, {split: getattr(dataset, split) for split in drawn}, drawn, dataset.channels)
        pools, faults = decode_all(levels)
    if not wanted.skip_unreadable:
        refuse_unreadable(wanted.name, faults)
    return pools, levels, faults


def _moments(pool: Pool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and standard deviation of each channel over all pixels of a pool."""
    mean, square = pool.moments.mean(0)
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())


def _is_also_in(pool: Pool, others: Iterable[Pool]) -> np.ndarray:
    """Which examples of a pool are equal, or nearly, to one of others."""
    found = np.zeros(len(pool), dtype=bool)
    for other in others:
        found |= equal_to(pool.hashes, other.hashes) >= 0
        found |= near_to(pool.signatures, other.signatures) >= 0
    return found


def _described(dataset: Dataset, pool: Pool, place: int) -> str:
    split: Split = getattr(dataset, pool.origin)
    return legible(split.describe(int(pool.indices[place])))


def _leak(dataset: Dataset, pool: Pool, split: str, train: Pool) -> Leak:
    equal, near = equal_to(pool.hashes, train.hashes), near_to(pool.signatures, train.signatures)
    twin = np.where(equal >= 0, equal, near)
    places = [*np.flatnonzero(equal >= 0), *np.flatnonzero(near >= 0)]
    example = None
    if places:
        example = (_described(dataset, train, twin[places[0]]), _described(dataset, pool, places[0]))
    return Leak(
        split=split,
        images=len(pool),
        equal=int((equal >= 0).sum()),
        near=int(((near >= 0) & (equal < 0)).sum()),
        example=example,
    )


def _too_large(images: int, image_size: int, channels: int) -> bool:
    """Whether arrays of so many images would be more than the cache may hold."""
    return images * image_size**2 * channels > cache_limit_bytes()


def _save(pool: Pool, split: str, folder: Path) -> None:
    if pool.pixels is not None:
        shape = (len(pool.rows), *pool.pixels.shape[1:])
        images = new_array(folder / f"{split}-images.npy", shape, np.uint8)
        for begin in range(0, len(pool.rows), CHUNK):
            images[begin : begin + CHUNK] = pool.pixels[pool.rows[begin : begin + CHUNK]]
        images.flush()
    np.save(folder / f"{split}-labels.npy", pool.labels)
    np.save(folder / f"{split}-indices.npy", pool.indices)
    for kind, hashes in (("hashes", pool.hashes), ("signatures", pool.signatures)):
        np.save(folder / f"{split}-{kind}.npy", np.frombuffer(b"".join(hashes), np.uint8).reshape(len(pool), -1))


def _check_splits(name: str, names: tuple[str, ...], task: Task, pools: dict[str, Pool]) -> None:
    for split, pool in pools.items():
        if not len(pool.labels):
            raise UserError(f"dataset {name}: {split} has no images; it needs more images, or {split}=N")
    try:
        task.check_train(names, pools["train"].labels)
    except ValueError as error:
        raise UserError(f"dataset {name}: {error}") from error


def _digest(pools: dict[str, Pool]) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(split.encode())
        digest.update(pools[split].labels.tobytes())
        for each in pools[split].digests:
            digest.update(each)
    return digest.hexdigest()
