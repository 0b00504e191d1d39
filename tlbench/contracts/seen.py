"""What an objective is given of a training step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlbench.contracts.batch import HEAD_INPUT

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.model import TransferModel


@dataclass(frozen=True)
class Seen:
    """What a step has seen: the model, its batch, what it made of it, and the mean loss of that.

    `images` are the model's input N×3×S×S, `labels` N classes (or N×classes shares of images that were mixed),
    `activations` what the modules that the phase watches gave, by path, `features` what the head was given.
    """

    model: TransferModel
    images: torch.Tensor
    labels: torch.Tensor
    logits: torch.Tensor
    loss: torch.Tensor
    activations: Mapping[str, torch.Tensor]

    @property
    def features(self) -> torch.Tensor:
        """What the head's first module was given."""
        return self.activations[HEAD_INPUT]
