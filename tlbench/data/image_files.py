"""Image files below a folder, found and opened without torch."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from tlbench.contracts.dataset import Split

UNSUITABLE = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF"}
"""Formats that Pillow recognises but can't decode by itself, or that are no still images."""
SYSTEM = {
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "@recycle",
    "@recently-snapshot",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "desktop.ini",
    "__pycache__",
}
"""Folders and files that operating systems, storage devices and tools leave beside data, in lower case."""
HIDDEN, BROKEN, LOOP = "hidden or system file", "broken link", "link back to a folder above"
"""Why a file is no data."""
LEAST_OF_16_BITS = 64
"""Of the upper byte: what 14 bits and fewer don't reach."""

# a large image is no fault; one that is too large for Pillow is an error all the same
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)


@dataclass
class Found:
    """Image files in the order of their paths, and by reason how many other files were left out."""

    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@cache
def endings() -> frozenset[str]:
    """The endings of the files that Pillow decodes, in lower case: `.jpg`, `.jfif`, `.png`, …"""
    PIL.Image.init()
    formats = PIL.Image.registered_extensions()
    return frozenset(end for end, name in formats.items() if name in PIL.Image.OPEN and name not in UNSUITABLE)


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is no data."""
    return name.startswith(".") or name.lower() in SYSTEM


def image_files_below(folder: Path) -> Found:
    """All image files at any depth, sorted; linked folders are followed."""
    found = Found()
    for file in _files(folder, (), found.left_out):
        if file.suffix.lower() in endings():
            found.files.append(file)
        else:
            found.left_out[f"{file.suffix.lower() or 'other'} file"] += 1
    found.files.sort()
    return found


def is_image(folder: Path) -> bool:
    """Whether there is any image file at any depth; the rest of the folder is not looked at."""
    files = _files(folder, (), Counter()) if folder.is_dir() else ()
    return any(file.suffix.lower() in endings() for file in files)


def _files(folder: Path, above: tuple[str, ...], left_out: Counter[str]) -> Iterator[Path]:
    """All files that are there and not hidden."""
    here = os.path.realpath(folder)
    if here in above:
        left_out[LOOP] += 1
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if hidden(entry.name):
                left_out[HIDDEN] += 1
            elif entry.is_dir():
                yield from _files(Path(entry.path), (*above, here), left_out)
            elif entry.is_file():
                yield Path(entry.path)
            else:
                left_out[BROKEN if entry.is_symlink() else "special file"] += 1


def open_image(file: Path, *, exif: bool = True) -> PIL.Image.Image:
    """A decoded file, turned as its EXIF orientation says.

    Raises what the decoder raises, and ValueError on 16-bit colours of which Pillow, which reads their upper 8 bits,
    would keep a few levels.
    """
    with PIL.Image.open(file) as opened:
        sixteen = opened.mode in ("RGB", "RGBA") and opened.tile and ";16" in str(opened.tile[0][3])
        opened.load()
        if sixteen and (most := int(np.asarray(opened)[..., :3].max())) < LEAST_OF_16_BITS:
            raise ValueError(
                f"its colours have 16 bits, but use {most + 1} of the upper 256 levels; convert it to 8 bits"
            )
        if exif:
            PIL.ImageOps.exif_transpose(opened, in_place=True)
        return opened


def split_of(files: list[Path], labels: np.ndarray, *, exif: bool = True) -> Split:
    """Files and their labels as a split."""
    return Split(labels, lambda index: open_image(files[index], exif=exif), describe=lambda index: str(files[index]))
