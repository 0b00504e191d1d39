"""One training step's arithmetic: the loss of a batch. The loop times it, the probe counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.data.batches import Batch
from tlbench.engine.model import HEAD_INPUT, TransferModel
from tlbench.engine.precision import autocast
from tlbench.phases import Train
from tlbench.plan import Protocol


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


def batch_loss(
    model: TransferModel,
    phase: Train,
    forward: nn.Module,
    batch: Batch,
    device: torch.device,
    protocol: Protocol,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The mean cross-entropy of a batch by the phase's feed, or the phase's own objective, and its penalty."""
    own = phase.objective is not None
    with model.watched(phase.watch, head_input=own) as activations, autocast(device, protocol.precision):
        logits = forward(batch.images)
        loss = F.cross_entropy(logits, batch.labels, class_weights, label_smoothing=protocol.label_smoothing)
        if phase.objective is not None:
            loss = phase.objective(Seen(model, batch.images, batch.labels, logits, loss, activations))
    return loss if phase.penalty is None else loss + phase.penalty(model)
