"""One training step's arithmetic: the loss of a batch. The loop times it, the probe counts it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts import Train
from tlbench.data.batches import Batch
from tlbench.engine.model import TransferModel
from tlbench.engine.precision import autocast
from tlbench.plan import Precision


def batch_loss(
    model: TransferModel, phase: Train, forward: nn.Module, batch: Batch, device: torch.device, precision: Precision
) -> torch.Tensor:
    """The mean cross-entropy of a batch by the phase's feed, and the phase's penalty on the model."""
    with autocast(device, precision):
        loss = F.cross_entropy(forward(batch.images), batch.labels)
    return loss if phase.penalty is None else loss + phase.penalty(model)
