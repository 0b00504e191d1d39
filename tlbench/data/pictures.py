"""Picture files below a folder, found and opened without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from tlbench.contracts import Split

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


def pictures_below(folder: Path) -> list[Path]:
    """All picture files at any depth, sorted."""
    return sorted(filter(_is_picture, folder.rglob("*")))


def has_picture(folder: Path) -> bool:
    """Whether there is any picture file at any depth; the rest of the folder is not looked at."""
    return any(map(_is_picture, folder.rglob("*")))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.is_file()


def split_of(files: list[Path], labels: np.ndarray) -> Split:
    """Files and their labels as a split."""

    def image(index: int) -> PIL.Image.Image:
        with PIL.Image.open(files[index]) as opened:
            opened.load()
            return opened

    return Split(labels, image, describe=lambda index: str(files[index]))
