"""Image files that are to be predicted, looked at before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tlbench.errors import UserError


def check_images(images: Sequence[Path]) -> None:
    """Raise UserError that names the first path which is no file."""
    for image in images:
        if image.is_dir():
            raise UserError(f"{image} is a folder; name the images in it: {image}/*")
        if not image.is_file():
            raise UserError(f"there is no image {image}")
