"""How far a model's function moves where its structure is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel


@dataclass(frozen=True)
class Answers:
    """A model's outputs N×K for a batch of images N×C×S×S, in eval mode."""

    images: torch.Tensor
    outputs: torch.Tensor

    def moved(self, model: TransferModel) -> float:
        """The largest difference of another model's outputs for the same images, over the largest of these."""
        now = outputs_of(model, self.images)
        scale = float(self.outputs.abs().max())
        return float((now - self.outputs).abs().max()) / (scale or 1.0)


def answers(model: TransferModel, batches: Iterable[Batch]) -> Answers:
    """What a model says of the first batch."""
    images = next(iter(batches)).images
    return Answers(images, outputs_of(model, images))


@torch.no_grad()
def outputs_of(model: TransferModel, images: torch.Tensor) -> torch.Tensor:
    """A model's outputs in eval mode, in which it is left."""
    outputs: torch.Tensor = model.module.eval()(images)
    return outputs.float()
