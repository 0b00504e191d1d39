"""A dataset's labels, looked at once, before anything is decoded."""

from __future__ import annotations

import numpy as np

from tlbench.contracts.dataset import Dataset
from tlbench.contracts.task import Task
from tlbench.errors import UserError


def check_labels(name: str, dataset: Dataset, task: Task) -> dict[str, np.ndarray]:
    """The labels of each split that there is, as the task's arrays.

    Raises UserError where names repeat, or the task refuses the labels.
    """
    names = list(dataset.classes)
    if len(set(names)) < len(names):
        repeated = next(each for each in names if names.count(each) > 1)
        raise UserError(f"dataset {name}: the class {repeated!r} is named more than once")
    splits = {split: getattr(dataset, split) for split in ("train", "val", "test")}
    labels = {}
    for split, each in splits.items():
        if each is not None:
            try:
                labels[split] = task.checked(names, each.labels, each.describe)
            except ValueError as error:
                raise UserError(f"dataset {name}: {split}: {error}") from error
    try:
        task.check_splits(names, labels)
    except ValueError as error:
        raise UserError(f"dataset {name}: {error}") from error
    return labels
