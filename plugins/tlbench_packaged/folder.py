"""Your own images: a folder for each class, with or without train, val and test above them."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import PIL.Image
from pydantic import Field

from tlbench.contracts import Dataset, Split, SplitOptions
from tlbench.toolkit import content_digest, split_of
from tlbench_packaged.layout import Layout, Tree, notes, read_tree
from tlbench_packaged.reading import ReadingOptions


class FolderPlace(SplitOptions):
    """Where the images lie, and how many of each split to use."""

    path: Path = Field(description="the folder above the classes, or above train, val and test")
    layout: Layout = Field("auto", description="what its folders are: classes, splits, or as their names say")


class FolderOptions(ReadingOptions, FolderPlace):
    """Where the images lie, how they are read, and how many of each split to use."""


def check_folder(options: FolderOptions) -> Tree:
    """The files by split and class, found without opening any; raises UserError as `read_tree` does."""
    return read_tree(options.path.expanduser(), options.layout)


def folder(options: FolderOptions) -> Dataset:
    """The dataset of a folder; classes are in alphabetical order."""
    root = options.path.expanduser()
    tree = check_folder(options)
    classes = list(tree.splits["train"])
    splits = {name: _split(by_class, classes, options) for name, by_class in tree.splits.items()}
    files = tree.files()
    return Dataset(
        classes=classes,
        train=splits["train"],
        val=splits.get("val"),
        test=splits.get("test"),
        native_size=native_size(files),
        domain=options.path.name,
        fingerprint=f"folder {options.layout} {options.exif} {content_digest(root, files)}",
        value_range=options.range,
        notes=tuple(notes(tree)),
        channels=options.channels,
    )


def _split(by_class: dict[str, list[Path]], classes: list[str], options: FolderOptions) -> Split:
    files = [file for name in classes for file in by_class.get(name, ())]
    labels = np.repeat(np.arange(len(classes)), [len(by_class.get(name, ())) for name in classes])
    return split_of(files, labels, exif=options.exif)


def native_size(files: list[Path], most: int = 200) -> int:
    """The median shorter side of evenly chosen files, from their headers; unreadable ones are found later."""
    sides = []
    for file in files[:: max(1, len(files) // most)]:
        try:
            with PIL.Image.open(file) as opened:
                sides.append(min(opened.size))
        except Exception:  # of any kind; decoding tells which
            continue
    return int(statistics.median(sides)) if sides else 224
