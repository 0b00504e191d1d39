"""What a protocol says of the steps themselves: the optimizer, its rate over time, mixed images, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.task import Objective
from tlbench.contracts.training import MakeOptimizer, Schedule
from tlbench.plan.cell import Protocol

MOMENTUM = 0.9


def _adamw(groups: Sequence[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def _sgd(groups: Sequence[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True, fused=True)


OPTIMIZERS: dict[str, MakeOptimizer] = {"adamw": _adamw, "sgd": _sgd}
SCHEDULES: dict[str, Schedule] = {
    "constant": lambda _step, _steps: 1.0,
    "cosine": lambda step, steps: 0.5 * (1 + math.cos(math.pi * step / steps)),
}


def make_optimizer(
    model: TransferModel, rate: float, phase: Train, protocol: Protocol, make: MakeOptimizer | None = None
) -> torch.optim.Optimizer:
    """The protocol's optimizer for what is trainable: AdamW, SGD with Nesterov's momentum of 0.9, or what `make` makes.

    It decays matrices and kernels, not biases and normalisation, nor what the backbone or the phase leaves out. `rate`
    is the phase's; each group has its peak rate as `peak_rate`.
    """
    undecayed = model.no_decay if phase.no_decay is None else model.no_decay | phase.no_decay
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.module.named_parameters():
        if parameter.requires_grad:
            factor = next((factor for part, factor in phase.rates if part.holds(name)), 1.0)
            groups.setdefault((factor, parameter.ndim > 1 and not undecayed.holds(name)), []).append(parameter)
    described = [
        {"params": members, "peak_rate": rate * factor, "weight_decay": protocol.weight_decay if decays else 0.0}
        for (factor, decays), members in sorted(groups.items(), key=lambda each: (-each[0][0], not each[0][1]))
    ]
    return (make or OPTIMIZERS[protocol.optimizer])(described, rate)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group so much of its peak rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_rate"] * factor


def rate_factor(step: int, steps: int, protocol: Protocol, schedule: Schedule | None = None) -> float:
    """What the phase's rate is multiplied with at a step (from 0): up along a line, then as the schedule has it.

    The protocol's falls along a cosine to 0, or is constant; a plugin's is given.
    """
    warmup = round(protocol.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (schedule or SCHEDULES[protocol.schedule])(step - warmup, steps - warmup)


def mixing(protocol: Protocol, objective: Objective) -> Callable[[Batch], Batch] | None:
    """What mixes a batch's images and labels, if any: mixup (Zhang et al. 2018), CutMix (Yun et al. 2019), by turns.

    Both are torchvision's; where both are asked for, each batch draws one of them.
    """
    if not (protocol.mixup or protocol.cutmix):
        return None
    from torchvision.transforms import v2

    kinds = [(v2.MixUp, protocol.mixup), (v2.CutMix, protocol.cutmix)]
    mixers = [kind(alpha=alpha, num_classes=objective.outputs) for kind, alpha in kinds if alpha]
    mixer = mixers[0] if len(mixers) == 1 else v2.RandomChoice(mixers)

    def mix(batch: Batch) -> Batch:
        images, labels = mixer(batch.images, objective.encoded(batch.labels))
        return replace(batch, images=images, known_labels=labels)

    return mix


class Averaged:
    """A moving average of the weights, θ̄ ← decay · θ̄ + (1 - decay) · θ after each step, which replaces them at the end.

    The decay begins lower, (1 + step) / (10 + step), so that the start is forgotten (as in TensorFlow's
    ExponentialMovingAverage). BatchNorm's statistics are averaged as well.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module = module
        self._decay = decay
        self._steps = 0
        self._average = AveragedModel(module, multi_avg_fn=self._update, use_buffers=True)

    def step(self) -> None:
        """The optimizer has made a step."""
        self._average.update_parameters(self._module)
        self._steps += 1

    @torch.no_grad()
    def put_in_place(self) -> None:
        """Make the average the model's weights."""
        averaged = self._average.module.state_dict()
        self._module.load_state_dict(averaged)

    def _update(self, average: Sequence[torch.Tensor], current: Sequence[torch.Tensor], _number: object) -> None:
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        get_ema_multi_avg_fn(decay)(average, current, None)  # type: ignore[no-untyped-call]
