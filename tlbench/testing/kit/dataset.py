"""Checks of datasets: their splits, labels and images."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image

from tlbench.contracts.dataset import Dataset, Split
from tlbench.contracts.task import Task
from tlbench.data.images import as_channels, content_hash
from tlbench.data.levels import NeedsLevels
from tlbench.errors import UserError
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.contents import MOST, Described, described, digest_of, elsewhere, places_of, splits_of
from tlbench.testing.kit.subject import Subject
from tlbench.words import counted, listed

SOME = 64
"""Images of a split that are read for checks of single images."""
THREADS = 8
PLAUSIBLE = 4.0
"""How many times the images' usual length may be larger or smaller than `native_size`."""


def _splits(subject: Subject) -> dict[str, Split]:
    """The splits that have images; raises NotApplicable where the dataset is none."""
    return {name: split for name, split in splits_of(subject.made()).items() if len(split)}


@check("dataset", "has images in every split")
def has_images(subject: Subject) -> None:
    """Train has images, and so has every other split that is given."""
    for name, split in splits_of(subject.made()).items():
        if not len(split):
            raise Failed(f"its {name} has no images; give None where it has no {name} of its own")


@check("dataset", "has an image for every label")
def has_an_image_for_each_label(subject: Subject) -> None:
    """The first and the last image that there is a label for can be read."""
    for name, split in _splits(subject).items():
        for place in (0, len(split) - 1):
            try:
                split.image(place)
            except Exception as error:
                raise Failed(
                    f"its {name} has {counted(len(split), 'label')}, and image {place} can't be read "
                    f"({type(error).__name__}: {error}); there must be an image for every label"
                ) from error


@check("dataset", "has labels that fit its task")
def has_fitting_labels(subject: Subject) -> None:
    """Its task is registered and takes the labels of every split; names are not repeated; train lacks no class."""
    dataset: Dataset = subject.made()
    task = _task(subject)
    names = [str(each) for each in dataset.classes]
    if repeated := sorted({each for each in names if names.count(each) > 1}):
        raise Failed(f"its classes have {listed(repeated)} more than once; each is named once")
    labels = {}
    for name, split in _splits(subject).items():
        try:
            labels[name] = task.checked(names, split.labels, split.describe)
        except ValueError as error:
            raise Failed(f"the task {dataset.task} refuses the labels of {name}: {error}") from error
    if "train" not in labels:
        raise NotApplicable("train has no images")
    try:
        task.check_splits(names, labels)
        task.check_train(names, labels["train"])
    except ValueError as error:
        raise Failed(f"the task {dataset.task} refuses its labels: {error}") from error
    if lacking := list(task.notes(names, {"train": labels["train"]})):
        raise Failed(f"{lacking[0]}; name in classes= what train has")


def _task(subject: Subject) -> Task:
    name = subject.made().task
    try:
        return subject.registry.tasks.resolve(name).load()
    except UserError as error:
        raise Failed(f"its task is {name!r}: {error}") from error


@check("dataset", "has images as the contract says")
def has_images_as_said(subject: Subject) -> None:
    """PIL images, or arrays H×W, H×W×1, H×W×3, H×W×4 (else H×W×C) of uint8, bool, floats in 0..1 or other integers."""
    dataset: Dataset = subject.made()
    for name, place, image in _some(subject):
        if not isinstance(image, np.ndarray | PIL.Image.Image):
            raise Failed(
                f"image {place} of {name} is a {type(image).__name__}; it must be a PIL image or a NumPy array"
            )
        try:
            as_channels(image, dataset.channels)
        except NeedsLevels:
            continue  # more than 8 bits: scaled alike for the whole dataset
        except Exception as error:
            raise Failed(f"image {place} of {name} is no image of {dataset.channels} channels: {error}") from error


def _some(subject: Subject) -> Iterator[tuple[str, int, Any]]:
    """Some images of each split with their places."""
    for name, split in _splits(subject).items():
        for place in places_of(split, SOME):
            try:
                image = split.image(place)
            except Exception as error:
                raise NotApplicable(f"image {place} of {name} can't be read ({type(error).__name__})") from error
            yield name, place, image


@check("dataset", "has the channels that it states")
def has_its_channels(subject: Subject) -> None:
    """`channels` is 3, 1, or the last dimension of all its arrays."""
    channels = subject.made().channels
    if not isinstance(channels, int) or channels < 1:
        raise Failed(f"its channels are {channels!r}; it must be a whole number above 0")
    for name, place, image in _some(subject):
        array = np.asarray(image)
        found = array.shape[2] if array.ndim == 3 else 1
        usual = {1, 3, 4} if channels in (1, 3) else {channels}
        if found not in usual:
            raise Failed(f"image {place} of {name} has {found} channels, and it states {channels}")


@check("dataset", "has the size that it states")
def has_its_size(subject: Subject) -> None:
    """`native_size` is the usual length in pixels of an image's shorter side, or not far from it."""
    stated = subject.made().native_size
    if not isinstance(stated, int | np.integer) or stated < 1:
        raise Failed(f"its native_size is {stated!r}; it must be a whole number of pixels above 0")
    sides = [min(np.asarray(image).shape[:2]) for _, _, image in _some(subject)]
    if not sides:
        raise NotApplicable("it has no images")
    usual = statistics.median(sides)
    if not usual / PLAUSIBLE <= stated <= usual * PLAUSIBLE:
        raise Failed(f"its native_size is {stated}, and the shorter side of its images has {usual:g} pixels")


@check("dataset", "gives the same image twice, and to several threads")
def gives_the_same_image(subject: Subject) -> None:
    """An image is the same pixels whenever it is asked for, also from several threads at once."""
    for name, split in _splits(subject).items():
        places = places_of(split, SOME)
        try:
            first, second = ([digest_of(split.image(place)) for place in places] for _ in range(2))
        except Exception as error:
            raise NotApplicable(f"an image of {name} can't be read ({type(error).__name__})") from error
        with ThreadPoolExecutor(THREADS) as workers:
            try:
                threaded = list(workers.map(lambda place: digest_of(split.image(place)), places))  # noqa: B023
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                raise Failed(f"images of {name} can't be read from several threads at once ({said})") from error
        for how, other in (("asked for twice", second), ("asked for from several threads", threaded)):
            if first != other:
                place = next(place for place, a, b in zip(places, first, other, strict=True) if a != b)
                raise Failed(f"image {place} of {name} is another one when it is {how}; it must be the same pixels")


@check("dataset", "has splits that share no image")
def shares_no_image(subject: Subject) -> None:
    """No image of val or test is in train, and none of test in val, pixel for pixel."""
    splits = _splits(subject)
    if len(splits) < 2:
        raise NotApplicable("it has no val or test of its own; those that are cut from train share no image")
    known: dict[bytes, tuple[str, int]] = {}
    hashes = {name: subject.once(_hashes)[name] for name in ("train", "val", "test") if name in splits}
    for name, found in hashes.items():
        twins = [(place, known[each]) for place, each in found if each in known and known[each][0] != name]
        if twins:
            place, (other, twin) = twins[0]
            of = "" if len(splits[name]) <= MOST else f" of {MOST:,} that were read"
            raise Failed(
                f"{counted(len(twins), 'image')} of its {name}{of} {'is' if len(twins) == 1 else 'are'} in {other} too "
                f"(image {place} of {name} is image {twin} of {other}); splits must share no image"
            )
        known |= {each: (name, place) for place, each in found if each not in known}


def _hashes(subject: Subject) -> dict[str, list[tuple[int, bytes]]]:
    dataset: Dataset = subject.made()
    found: dict[str, list[tuple[int, bytes]]] = {}
    for name, split in _splits(subject).items():
        try:
            found[name] = [(place, _hash(split.image(place), dataset.channels)) for place in places_of(split)]
        except Exception as error:
            raise NotApplicable(f"an image of {name} can't be read ({type(error).__name__})") from error
    return found


def _hash(image: Any, channels: int) -> bytes:
    try:
        return content_hash(as_channels(image, channels))
    except NeedsLevels:
        return content_hash(np.asarray(image))


def _both(subject: Subject) -> tuple[Described, Described]:
    """The dataset as this process finds it, and as another one does."""
    try:
        here = described(subject.made())
    except Exception as error:
        raise NotApplicable(f"an image can't be read ({type(error).__name__})") from error
    return here, elsewhere(subject)


@check("dataset", "is the same in another process", needs=["gives the same image twice, and to several threads"])
def same_in_another_process(subject: Subject) -> None:
    """Images, labels and classes have the same order in a process whose hashes of texts are others (PYTHONHASHSEED)."""
    here, there = subject.once(_both)
    if list(here.classes) != list(there.classes):
        raise Failed(f"its classes are {listed(here.classes)} here and {listed(there.classes)} in another process")
    for name in here.images:
        if here.labels[name] != there.labels.get(name):
            raise Failed(f"its {name} has other labels in another process; sort what comes from a set or a folder")
        if list(here.images[name]) != list(there.images[name]):
            raise Failed(f"its {name} has other images in another process; draw nothing at random, and sort the files")


@check("dataset", "has a fingerprint that stays the same")
def has_a_stable_fingerprint(subject: Subject) -> None:
    """`fingerprint` is a text, and the same one in another process: it is what decoded images are found again by."""
    fingerprint = subject.made().fingerprint
    if fingerprint is None:
        raise NotApplicable("it states no fingerprint, so that its images are decoded in each run")
    if not isinstance(fingerprint, str) or not fingerprint:
        raise Failed(f"its fingerprint is {fingerprint!r}; it must be a text")
    _, there = subject.once(_both)
    if fingerprint != there.fingerprint:
        raise Failed(f"its fingerprint is {fingerprint!r} here and {there.fingerprint!r} in another process")


@check("dataset", "names its images for messages")
def names_its_images(subject: Subject) -> None:
    """`describe` gives a text for every image."""
    for name, split in _splits(subject).items():
        for place in places_of(split, SOME):
            said = split.describe(place)
            if not isinstance(said, str) or not said:
                raise Failed(f"describe gives {said!r} for image {place} of {name}; it must be a text")
