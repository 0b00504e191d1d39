"""scikit-learn's digits: real handwriting, installed with the package."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from tlbench.contracts import Dataset, Split, SplitOptions


def digits(_options: SplitOptions) -> Dataset:
    """1,797 grey 8×8 images with values from 0 to 16, scaled to 0..255; val and test are cut from them."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    return Dataset(
        classes=[str(name) for name in bunch.target_names],
        train=Split(bunch.target.astype(np.int64), images.__getitem__),
        native_size=8,
        domain="handwriting",
        licence="CC-BY-4.0",
        fingerprint=f"scikit-learn {version('scikit-learn')} digits",
    )
