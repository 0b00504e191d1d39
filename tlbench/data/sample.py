"""A dataset of which a few images are decoded, for what is asked before a run: how many images, how long a step."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tlbench.contracts.dataset import Dataset, Split
from tlbench.contracts.options import SplitOptions
from tlbench.contracts.task import Task
from tlbench.data.labels import check_labels
from tlbench.data.prepare import Progress, prepare
from tlbench.data.prepared import SPLITS, Limits, PreparedDataset, Wanted
from tlbench.data.sizes import split_sizes
from tlbench.data.split import Integers, draw


def prepare_sample(
    wanted: Wanted, dataset: Dataset, task: Task, most: int, folder: Path, progress: Progress
) -> PreparedDataset:
    """At most so many images of each split decoded into `folder`; `images` counts those that a run would use.

    What only all images tell is left out: the digest, duplicates, and classes that a split lacks. Raises UserError as
    `prepare` does.
    """
    labels = check_labels(wanted.name, dataset, task)
    sizes = split_sizes(wanted, dataset)
    few: dict[str, Any] = {
        split: _part(getattr(dataset, split), draw(task.strata(each), most)) for split, each in labels.items()
    }
    plain = dataclasses.replace(wanted, options=SplitOptions(), limits=Limits(), drop_duplicates=False)
    made = prepare(plain, dataclasses.replace(dataset, **few), task, folder, progress)
    return made.model_copy(
        update={
            "images": {split: sizes[split] for split in SPLITS},
            "available": {split: len(each) for split, each in labels.items()},
            "digest": "",
            "leaks": (),
            "lacking": (),
        }
    )


def _part(split: Split, indices: Integers) -> Split:
    """The examples of a split at some places."""
    return Split(
        labels=[split.labels[place] for place in indices],
        image=lambda place: split.image(int(indices[place])),
        describe=lambda place: split.describe(int(indices[place])),
    )
