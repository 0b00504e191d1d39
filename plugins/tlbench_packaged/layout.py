"""Where the classes of a folder of images are: in it, or in folders for train, val and test."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tlbench import UserError
from tlbench.toolkit import HIDDEN, LOOP, counted, endings, hidden, image_files_below, is_image, listed

Layout = Literal["auto", "classes", "splits"]
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What split folders are called, in any case, with or without `set` or `data` behind it (`Test_set`)."""

REASONS = {
    "image in no class": ("image in no class", "images in no class"),
    LOOP: (LOOP, "links back to a folder above"),
}
"""Reasons whose plural is not made by an s at the end."""


@dataclass
class Tree:
    """The image files by split and class, and by reason how many other files were left out."""

    splits: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def files(self) -> list[Path]:
        """All image files."""
        return [file for by_class in self.splits.values() for each in by_class.values() for file in each]


def read_tree(root: Path, layout: Layout = "auto") -> Tree:
    """Find the images of a folder without opening any.

    Raises UserError where the folder is missing, is no folder or has no images, where folders for splits can't be told
    from folders for classes, or where the classes don't fit together.
    """
    if not root.is_dir():
        raise UserError(f"dataset folder: {root} {_no_folder(root)}")
    folders = _folders(root)
    splits = {} if layout == "classes" else _split_folders(root, folders, layout)
    tree = Tree()
    _count_files(root, tree)
    for split, path in splits.items() or {"train": root}.items():
        tree.splits[split] = _classes(path, tree, needs_two=split == "train")
        if path != root:
            _count_files(path, tree)
    known = tree.splits["train"]
    for split, by_class in tree.splits.items():
        if unknown := sorted(set(by_class) - set(known)):
            raise UserError(
                f"dataset folder: {root}: {split} has the class {unknown[0]!r}, of which train has no folder; "
                f"add one, or take it out of {split}"
            )
    return tree


def _no_folder(root: Path) -> str:
    if not root.exists():
        return "is missing"
    if zipfile.is_zipfile(root) or root.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.xz", ".7z", ".rar")):
        return "is an archive; unpack it, and name the folder"
    if root.suffix.lower() in (".csv", ".tsv"):
        return f"is a table, not a folder; where it has a column of image paths, say csv:{root}"
    if root.suffix.lower() in (".json", ".txt", ".parquet"):
        return "is a table, not a folder; put the images into a folder for each class, and name the folder above them"
    if root.suffix.lower() in endings():
        return f"is one image; name the folder above the folders of its classes, {root.absolute().parent.parent} say"
    return "is a file, not a folder"


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not hidden(each.name))


def split_named(name: str) -> str | None:
    """Which split a name stands for."""
    plain = re.sub(r"[\s_-]*(set|data)$", "", name.strip().lower())
    return next((split for split, names in SPLITS.items() if plain in names), None)


def _split_folders(root: Path, folders: list[Path], layout: Layout) -> dict[str, Path]:
    """The folders of splits; none where these are folders of classes."""
    named: dict[str, list[Path]] = {}
    for folder in folders:
        if split := split_named(folder.name):
            named.setdefault(split, []).append(folder)
    if not named:
        if layout == "splits":
            raise UserError(f"dataset folder: {root} has no folder train; its folders: {_names(folders)}")
        return {}
    others = [each for each in folders if split_named(each.name) is None and is_image(each)]
    found = [each for same in named.values() for each in same]
    deep = [each for each in found if _has_class_folders(each)]
    if others and not deep and layout == "auto":
        return {}  # classes that happen to be called so, a train beside cars and planes
    said = f"dataset folder: {root} has folders called {_names(found)}"
    remedy = "rename them (train, val and test), or say which it is with layout=splits or layout=classes"
    if others and layout == "auto":
        raise UserError(f"{said}, and beside them {_names(others)}: splits or classes? {remedy}")
    if twice := [each for each in named.values() if len(each) > 1]:
        raise UserError(f"{said}: {_names(twice[0])} mean the same split; leave one, or layout=classes")
    if "train" not in named:
        raise UserError(f"{said}, but none called train; {remedy}")
    if not deep:
        raise UserError(
            f"{said}, with images in them, but no folder for each class; make them, or where these are the classes, "
            f"give layout=classes"
        )
    return {split: named[split][0] for split in SPLITS if split in named}


def _has_class_folders(folder: Path) -> bool:
    return any(is_image(each) for each in _folders(folder))


def _classes(path: Path, tree: Tree, *, needs_two: bool) -> dict[str, list[Path]]:
    folders = _folders(path)
    if not folders:
        images = [each for each in path.iterdir() if each.is_file() and each.suffix.lower() in endings()]
        if images:
            there = f"{counted(len(images), 'image')} in it, but no folders of classes"
            raise UserError(
                f"dataset folder: {path} has {there}; put the images of each class into a folder of its own, "
                f"{path / 'CLASS' / images[0].name}"
            )
        raise UserError(f"dataset folder: {path} is empty: it needs a folder of images for each class")
    if len(folders) == 1 and needs_two:
        inside = f"; its folders are in {folders[0]}: name that" if _has_class_folders(folders[0]) else ""
        raise UserError(
            f"dataset folder: {path} has the one class {folders[0].name!r}; at least two are needed{inside}"
        )
    by_class = {}
    for folder in folders:
        found = image_files_below(folder)
        tree.left_out += found.left_out
        if found.files:
            by_class[folder.name] = found.files
        elif needs_two:
            what = f" (there are {_reasons(found.left_out)})" if found.left_out else ""
            raise UserError(f"dataset folder: the class {folder.name!r} has no images in {folder}{what}")
    if not by_class:
        raise UserError(f"dataset folder: {path} has no images")
    return by_class


def _count_files(path: Path, tree: Tree) -> None:
    """What lies beside the folders, and is not used."""
    for each in path.iterdir():
        if hidden(each.name):
            tree.left_out[HIDDEN] += 1
        elif each.is_file():
            image = each.suffix.lower() in endings()
            tree.left_out["image in no class" if image else f"{each.suffix.lower() or 'other'} file"] += 1


def notes(tree: Tree) -> Iterator[str]:
    """What was left out, as a sentence."""
    if tree.left_out:
        yield f"left out: {_reasons(tree.left_out)}"


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(counted(number, *REASONS.get(reason, (reason,))) for reason, number in left_out.most_common())


def _names(folders: list[Path]) -> str:
    return listed([each.name for each in folders])
