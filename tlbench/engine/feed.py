"""What a training step is fed with, and what it computes of it."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tlbench.contracts.batch import Batch


class BatchSource(typing.Protocol):
    """Examples as batches: images, or features of them."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> torch.Tensor:
        """All labels, on the CPU."""

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places."""

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """A batch for each of an order's sets of places."""


def in_order(source: BatchSource, batch_size: int) -> Iterator[Batch]:
    """All examples in order."""
    return source.batches(torch.arange(len(source)).split(batch_size))  # type: ignore[no-untyped-call]


def first_batch(source: BatchSource, batch_size: int) -> Batch:
    """The first examples: a full batch, if there are so many."""
    return source.batch(torch.arange(min(batch_size, len(source))))


@dataclass(frozen=True)
class Feed:
    """`forward` makes logits of what `source` gives: a model of images, or the rest of it of features.

    `prefix` is what the features were made by, where they are features.
    """

    source: BatchSource
    forward: nn.Module
    prefix: nn.Module | None = None
