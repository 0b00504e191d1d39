"""Your own images: a folder for each class, with or without train, val and test above them."""

from __future__ import annotations

import hashlib
import statistics
from pathlib import Path

import numpy as np
import PIL.Image

from tlbench.contracts import Dataset, Split, SplitOptions
from tlbench.data.pictures import SUFFIXES, pictures_below, split_of
from tlbench.errors import UserError

VAL_NAMES = ("val", "valid", "validation")


class FolderOptions(SplitOptions):
    """Where the images lie, and how many of each split to use."""

    path: Path


def check_folder(options: FolderOptions) -> dict[str, dict[str, list[Path]]]:
    """The files by split and class, found without opening any.

    Raises UserError where the folder is missing or empty, has fewer than two classes, or a class without images.
    """
    root = options.path.expanduser()
    if not root.is_dir():
        raise UserError(f"dataset folder: {root} is {'not a folder' if root.exists() else 'missing'}")
    if (root / "train").is_dir():
        val = next((name for name in VAL_NAMES if (root / name).is_dir()), None)
        splits = {"train": root / "train", "val": root / val if val else None, "test": root / "test"}
        found = {name: _classes(path) for name, path in splits.items() if path is not None and path.is_dir()}
    else:
        found = {"train": _classes(root)}
    classes = list(found["train"])
    for name, by_class in found.items():
        if list(by_class) != classes:
            odd = sorted(set(classes) ^ set(by_class))
            raise UserError(f"dataset folder: {root}: train and {name} differ in the classes {', '.join(odd)}")
    return found


def _classes(path: Path) -> dict[str, list[Path]]:
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise UserError(f"dataset folder: {path} is empty: it needs a folder of images for each class")
    if len(folders) == 1:
        raise UserError(f"dataset folder: {path} has the one class {folders[0].name!r}; at least two are needed")
    by_class = {folder.name: pictures_below(folder) for folder in folders}
    for name, files in by_class.items():
        if not files:
            endings = " ".join(sorted(SUFFIXES))
            raise UserError(f"dataset folder: the class {name!r} has no images in {path / name} ({endings})")
    return by_class


def folder(options: FolderOptions) -> Dataset:
    """The dataset of a folder; classes are in alphabetical order."""
    found = check_folder(options)
    classes = list(found["train"])
    splits = {name: _split([by_class[each] for each in classes]) for name, by_class in found.items()}
    files = [file for by_class in found.values() for each in by_class.values() for file in each]
    return Dataset(
        classes=classes,
        train=splits["train"],
        val=splits.get("val"),
        test=splits.get("test"),
        native_size=_native_size(files),
        domain=options.path.name,
        fingerprint=_fingerprint(options.path.expanduser(), files),
    )


def _fingerprint(root: Path, files: list[Path]) -> str:
    """Of the names, sizes and times of change of all files; their content is not read."""
    digest = hashlib.sha256(str(root.absolute()).encode())
    for file in sorted(files):
        state = file.stat()
        digest.update(f"{file.relative_to(root)} {state.st_size} {state.st_mtime_ns}".encode())
    return f"folder {digest.hexdigest()}"


def _split(files_by_class: list[list[Path]]) -> Split:
    files = [file for files in files_by_class for file in files]
    labels = np.repeat(np.arange(len(files_by_class)), [len(files) for files in files_by_class])
    return split_of(files, labels)


def _native_size(files: list[Path], most: int = 200) -> int:
    """The median shorter side of evenly chosen files, from their headers; unreadable ones are found later."""
    sides = []
    for file in files[:: max(1, len(files) // most)]:
        try:
            with PIL.Image.open(file) as opened:
                sides.append(min(opened.size))
        except OSError:
            continue
    return int(statistics.median(sides)) if sides else 224
