"""The images that a phase names: other views of the training images, other datasets, and batches beside batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from tlbench.contracts.batch import Batch
from tlbench.contracts.phases import Train
from tlbench.contracts.task import Objective
from tlbench.contracts.train_data import TrainData
from tlbench.data.augment import Augment
from tlbench.data.batches import Images, epoch_order
from tlbench.engine.context import Context, OtherImages
from tlbench.engine.feed import BatchSource, first_batch
from tlbench.errors import PhaseError


@dataclass(frozen=True)
class Endless:
    """Images that begin again, in another order, when they have come to their end."""

    images: Images
    order: torch.Generator
    batch_size: int

    def batches(self) -> Iterator[Batch]:
        """One batch after the other."""
        while True:
            yield from self.images.batches(epoch_order(len(self.images), self.batch_size, self.order))


class Beside:
    """A batch of images, and beside it one of each other source."""

    def __init__(self, main: Images, others: Sequence[Endless]) -> None:
        self.labels = main.labels
        self._main = main
        self._others = others
        self._batches = [each.batches() for each in others]

    def __len__(self) -> int:
        return len(self._main)

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places, beside the first ones of the others."""
        first = tuple(first_batch(each.images, each.batch_size) for each in self._others)
        return replace(self._main.batch(chosen), beside=first)

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """A batch for each of an order's sets of places, beside the next of each other source."""
        for batch in self._main.batches(order):
            yield replace(batch, beside=tuple(next(each) for each in self._batches))


def trained_on(context: Context, phase: Train, number: int) -> BatchSource:
    """What the steps of a phase are given; raises PhaseError where the phase does not say how to learn of it."""
    data = phase.data
    if phase.objective is None and data is not None and not data.labels:
        raise PhaseError("the phase trains on images without labels, and has no objective to learn from them")
    if phase.objective is None and phase.beside:
        raise PhaseError("the phase has data beside its own, and no objective to learn from them")
    main = images_of(context, data, f" of phase {number}")
    if not phase.beside:
        return main
    others = [
        Endless(
            images_of(context, each, f" of phase {number} beside {place}"),
            torch.Generator().manual_seed(context.seeds.of("order", f" of phase {number} beside {place}")),
            context.setting.protocol.batch_size,
        )
        for place, each in enumerate(phase.beside)
    ]
    return Beside(main, others)


def images_of(context: Context, data: TrainData | None, use: str = " of a look") -> Images:
    """Training images as a phase names them; `use` makes their random changes those of one use.

    Raises PhaseError where the strategy has not stated the dataset, or all views of an image would be the same.
    """
    own = context.data.train
    if data is None:
        return own
    images = own if data.dataset is None else _other(context, data.dataset).images
    augment = own.augment if data.augment is None else Augment(data.augment, context.seeds.of("augmentation", use))
    if data.views > 1 and augment is None:
        raise PhaseError(f"{data.views} views of an image would be the same: give TrainData an augment, or --augment")
    return images.augmented(augment, data.views, data.labels)


def objective_of(context: Context, data: TrainData | None) -> Objective:
    """The task that a phase's images are labelled for: the trial's own, or that of another dataset."""
    if data is None or data.dataset is None:
        return context.setting.objective
    return _other(context, data.dataset).described.objective


def _other(context: Context, name: str) -> OtherImages:
    if name not in context.others:
        raise PhaseError(
            f"strategy {context.strategy.ref} trains on dataset {name!r}, and does not name it in its `datasets`"
        )
    return context.others[name]
