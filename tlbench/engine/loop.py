"""The training loop: the one place where steps happen, and where they are timed."""

from __future__ import annotations

import contextlib
import math

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts import Train
from tlbench.data.batches import Images, epoch_order, steps_per_epoch
from tlbench.engine.model import TransferModel
from tlbench.errors import Diverged, PhaseError
from tlbench.events import EpochDone, Report, StepDone
from tlbench.measure.timing import StepLog, step_clock
from tlbench.plan import Precision, Protocol


def train(
    model: TransferModel,
    phase: Train,
    images: Images,
    protocol: Protocol,
    learning_rate: float,
    order: torch.Generator,
    device: torch.device,
    log: StepLog,
    report: Report,
) -> float:
    """Carry out a `Train` phase; gives the mean loss of its last epoch.

    The rate falls from the phase's own to zero along a cosine over the phase's steps. Losses stay on the device
    until the epoch ends, so that looking at them costs no wait. Raises Diverged where one is not finite.
    """
    model.train_only(phase.part)
    parameters = model.trainable()
    if not parameters:
        raise PhaseError("the phase trains a part without parameters")
    peak_rate = learning_rate * phase.lr
    optimizer = _adamw(parameters, peak_rate, protocol.weight_decay)
    per_epoch = steps_per_epoch(len(images), protocol.batch_size)
    steps = max(1, round(phase.epochs * protocol.epochs * per_epoch))
    clock = step_clock(device)
    done, epoch, mean_loss = 0, 0, math.nan
    while done < steps:
        epoch += 1
        losses: list[torch.Tensor] = []
        sizes: list[int] = []
        for chosen in epoch_order(len(images), protocol.batch_size, order)[: steps - done]:
            clock.start()
            _set_rate(optimizer, peak_rate * 0.5 * (1 + math.cos(math.pi * done / steps)))
            batch = images.batch(chosen)
            optimizer.zero_grad(set_to_none=True)
            with precision(device, protocol.precision):
                loss = F.cross_entropy(model.module(batch.images), batch.labels)
            if phase.penalty is not None:
                loss = loss + phase.penalty(model)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            clock.stop()
            done += 1
            losses.append(loss.detach())
            sizes.append(len(batch))
            report(StepDone(done, steps, epoch, len(batch)))
        seconds = clock.resolve()
        log.add(seconds, sizes)
        mean_loss = _mean(losses, sizes, first_step=done - len(losses) + 1)
        report(EpochDone(epoch, mean_loss, sum(sizes) / sum(seconds) if sum(seconds) else None))
    return mean_loss


def precision(device: torch.device, wanted: Precision) -> contextlib.AbstractContextManager[object]:
    """Autocast to bf16 where the protocol asks for it."""
    return torch.autocast(device.type, torch.bfloat16) if wanted == "bf16" else contextlib.nullcontext()


def _adamw(parameters: list[nn.Parameter], rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and normalisation."""
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _mean(losses: list[torch.Tensor], sizes: list[int], first_step: int) -> float:
    values = torch.stack(losses).double().cpu()
    finite = torch.isfinite(values)
    if not finite.all():
        place = int((~finite).nonzero()[0])
        raise Diverged(first_step + place, float(values[place]))
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((values * weights).sum() / weights.sum())
