"""Labels of one dataset in another's order of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def relabelled(labels: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Labels of classes `names` as labels of the same classes in the order of `wanted`.

    They are numbers of classes (N), or a column for each name (N×names). Raises ValueError where they are neither, and
    the orders differ.
    """
    if tuple(names) == tuple(wanted):
        return labels
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        places = np.array([wanted.index(name) for name in names], dtype=labels.dtype)
        return places.take(labels)
    if labels.ndim == 2 and labels.shape[1] == len(names):
        return labels[:, [names.index(name) for name in wanted]]
    raise ValueError(
        "its classes are in another order, and its labels are neither numbers of classes nor a column each"
    )
