"""Some images on the device, and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

HEAD_INPUT = "what the head is given"


@dataclass(frozen=True)
class Batch:
    """Normalised images N×C×S×S in the model's memory format (or features), and their labels, as the task has them."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)
