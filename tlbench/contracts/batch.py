"""Some images on the device, and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlbench.errors import PhaseError

if TYPE_CHECKING:
    import torch

HEAD_INPUT = "what the head is given"


@dataclass(frozen=True)
class Batch:
    """Normalised images N×C×S×S in the model's memory format (or features), and their labels, as the task has them.

    `known_labels` is None where images are used without labels. `beside` has a batch of each other source that the
    phase trains on at the same time.
    """

    images: torch.Tensor
    known_labels: torch.Tensor | None
    beside: tuple[Batch, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> torch.Tensor:
        """The labels; raises PhaseError where images are used without."""
        if self.known_labels is None:
            raise PhaseError("these images are used without labels (TrainData.labels), so they have none to read")
        return self.known_labels

    @property
    def images_in_all(self) -> int:
        """How many images it has, those of the batches beside it among them."""
        return len(self) + sum(len(each) for each in self.beside)
