"""One training step's arithmetic: the loss of a batch. The loop times it, the probe counts it."""

from __future__ import annotations

import torch
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.seen import Seen
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting


def batch_loss(
    model: TransferModel,
    phase: Train,
    forward: nn.Module,
    batch: Batch,
    setting: Setting,
) -> torch.Tensor:
    """The task's mean loss of a batch by the phase's feed, or the phase's own objective, and its penalty."""
    own, objective = phase.objective is not None, setting.objective
    with (
        model.watched(phase.watch, head_input=own) as activations,
        autocast(setting.device, setting.protocol.precision),
    ):
        outputs = forward(batch.images)
        if phase.objective is None:
            loss = objective.loss(outputs, batch.labels)
        else:
            loss = phase.objective(Seen(model, batch.images, batch.labels, outputs, objective.loss, activations))
    return loss if phase.penalty is None else loss + phase.penalty(model)
