"""A microscopy dataset with five channels, from a folder of arrays: CLASS/NAME.npy, each H×W×5 of uint8."""

from pathlib import Path

import numpy as np
from pydantic import Field

from tlbench import Dataset, Split, SplitOptions, UserError, hookimpl
from tlbench.toolkit import content_digest

tlbench_api = 1
CHANNELS = 5


class CellsOptions(SplitOptions):
    """Where the images lie; train, val and test sizes are every dataset's options."""

    path: Path = Field(description="a folder with a folder of arrays for each class")


def check(options):
    """Refuse a missing folder before anything runs."""
    if not options.path.is_dir():
        raise UserError(f"dataset cells: there is no folder {options.path}")


def cells(options):
    """All arrays below the folder; val and test are cut from them, as none are given."""
    files = sorted(options.path.glob("*/*.npy"))
    classes = sorted({file.parent.name for file in files})
    labels = [classes.index(file.parent.name) for file in files]
    return Dataset(
        classes=classes,
        train=Split(labels, image=lambda place: np.load(files[place]), describe=lambda place: str(files[place])),
        native_size=32,
        channels=CHANNELS,
        domain="microscopy",
        fingerprint=content_digest(options.path, files),
    )


@hookimpl
def tlbench_register_datasets(register):
    register("cells", cells, options=CellsOptions, check=check, summary="five-channel arrays in folders")
