"""A dataset's labels, looked at once, before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlbench.contracts.dataset import Dataset, Split
from tlbench.errors import UserError
from tlbench.words import listed


def check_labels(name: str, dataset: Dataset) -> dict[str, np.ndarray]:
    """The labels of each split that there is, as int64.

    Raises UserError where classes repeat, a label is no integer or not one of the classes' numbers, or a class occurs
    in val or test that is missing from train.
    """
    classes = list(dataset.classes)
    if (
        repeated := sorted({each for each in classes if classes.count(each) > 1})
        if len(set(classes)) < len(classes)
        else []
    ):
        raise UserError(f"dataset {name}: the class {repeated[0]!r} is named more than once")
    splits = {split: getattr(dataset, split) for split in ("train", "val", "test")}
    labels = {split: _checked(name, split, each, len(classes)) for split, each in splits.items() if each is not None}
    known = np.unique(labels["train"])
    for split, values in labels.items():
        if unknown := np.setdiff1d(values, known).tolist():
            raise UserError(
                f"dataset {name}: {split} has {listed([str(classes[each]) for each in unknown])}, "
                f"of which train has no image; add some to train, or take them out of {split}"
            )
    return labels


def _checked(name: str, split: str, images: Split, classes: int) -> np.ndarray:
    given = np.asarray(images.labels)
    where = f"dataset {name}: {split}"
    if given.ndim != 1:
        raise UserError(f"{where}: labels have the shape {given.shape}; one class number for each image is expected")
    try:
        with np.errstate(invalid="ignore"):
            whole = given.astype(np.int64)
        same = bool((whole == given).all())
    except (TypeError, ValueError):
        whole, same = np.zeros(len(given), np.int64), False
    if not same:
        example = next(place for place, value in enumerate(given) if not _is_whole(value))
        raise UserError(
            f"{where}: the label of {images.describe(example)} is {given[example]!r}; labels are integers, "
            f"the places of their classes in the list of classes"
        )
    outside = np.flatnonzero((whole < 0) | (whole >= classes))
    if len(outside):
        example = int(outside[0])
        raise UserError(
            f"{where}: the label of {images.describe(example)} is {whole[example]}; with {classes} classes, labels "
            f"are 0 to {classes - 1}"
        )
    return whole


def _is_whole(value: object) -> bool:
    try:
        return int(value) == value  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return False


def lacking(classes: Sequence[str], splits: dict[str, np.ndarray]) -> list[str]:
    """What a person should know of classes that a split lacks: a sentence for each such split."""
    said = []
    for split, labels in splits.items():
        if missing := np.setdiff1d(np.arange(len(classes)), labels).tolist():
            what = {"train": "nothing is learned of them", "val": "choices on val are made without them"}.get(
                split, "figures are over the classes that occur"
            )
            names = listed([str(classes[each]) for each in missing])
            said.append(f"{split} has no image of {len(missing)} of {len(classes)} classes ({names}): {what}")
    return said
