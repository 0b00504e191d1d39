"""One training step's arithmetic: the loss of a batch. The loop times it, the probe counts it."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.seen import Seen
from tlbench.contracts.task import Objective
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting
from tlbench.errors import PhaseError


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
        if phase.objective is None:
            loss = _task_loss(objective, forward(batch.images), batch.labels)
        else:
            views = 1 if phase.data is None else phase.data.views
            loss = phase.objective(Seen(model, batch, forward, partial(_task_loss, objective), activations, views))
    return loss if phase.penalty is None else loss + phase.penalty(model)


def _task_loss(objective: Objective, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The task's mean loss; raises PhaseError where the model's head is of another width, as for another dataset."""
    if outputs.shape[1:] != (objective.outputs,):
        raise PhaseError(
            f"the model's outputs are N×{'×'.join(map(str, outputs.shape[1:]))}, and the task of the images has "
            f"{objective.outputs}; an objective can compute the loss with a head of its own"
        )
    return objective.loss(outputs, labels)
