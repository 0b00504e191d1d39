"""Images that a phase is given in place of the labelled training images, or beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.task import Objective


@dataclass(frozen=True)
class TrainData:
    """Images to train on: the trial's own training images, or those of another dataset; raises ValueError.

    `dataset` is a name that the strategy states in its `datasets`; None is the trial's own. Each image is in a batch
    `views` times, each time changed at random by `augment`, which is given a batch N×C×S×S with values in 0..1 and
    draws from torch's own random numbers (a stream apart); without it, by the protocol's augmentation. A batch of N
    images has N×views rows, all of the first view first. Without `labels`, nobody reads them.
    """

    dataset: str | None = None
    views: int = 1
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None
    labels: bool = True

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"views is {self.views}; it must be at least 1")

    @property
    def for_the_task(self) -> bool:
        """Whether these are labelled images of the trial's own task."""
        return self.dataset is None and self.labels


@dataclass(frozen=True)
class OtherDataset:
    """Another dataset that a strategy trains on: the names of its classes or targets, its task, and its size."""

    classes: tuple[str, ...]
    objective: Objective
    train_images: int
