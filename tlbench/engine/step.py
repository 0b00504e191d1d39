"""One training step's arithmetic: the loss of a batch. The loop times it, the probe counts it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.seen import Seen
from tlbench.engine.precision import autocast
from tlbench.plan.cell import Protocol


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
