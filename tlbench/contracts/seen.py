"""What an objective is given of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tlbench.contracts.batch import HEAD_INPUT

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.model import TransferModel


@dataclass(frozen=True)
class Seen:
    """What a step has seen: the model, its batch, and what it made of it.

    `images` are the model's input N×C×S×S, `labels` as the task has them (or N×outputs encoded ones of images that
    were mixed), `outputs` N×outputs, `activations` what the modules that the phase watches gave, by path.
    """

    model: TransferModel
    images: torch.Tensor
    labels: torch.Tensor
    outputs: torch.Tensor
    task_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    activations: Mapping[str, torch.Tensor]

    @cached_property
    def loss(self) -> torch.Tensor:
        """The task's mean loss; computed when it is first read."""
        return self.task_loss(self.outputs, self.labels)

    @property
    def features(self) -> torch.Tensor:
        """What the head's first module was given."""
        return self.activations[HEAD_INPUT]
