"""The training loop: the one place where steps happen, and where they are timed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import epoch_order, steps_per_epoch
from tlbench.engine.feed import Feed
from tlbench.engine.precision import gradient_scaler
from tlbench.engine.recipe import Averaged, make_optimizer, mixing, rate_factor, set_rates
from tlbench.engine.setting import Setting
from tlbench.engine.step import batch_loss
from tlbench.errors import Diverged, PhaseError
from tlbench.events import EpochDone, StepDone
from tlbench.measure.memory import optimizer_bytes
from tlbench.measure.steps import PhaseSteps
from tlbench.measure.timing import step_clock
from tlbench.plan.cell import Protocol


@dataclass(frozen=True)
class Trained:
    """What a phase left: its steps, the mean loss of its last epoch, and the bytes of its optimizer's state."""

    steps: PhaseSteps
    loss: float
    optimizer_bytes: int


AfterEpoch = Callable[[int, float], bool]
"""Called with the epoch (from 1) and its mean loss; True ends the phase."""


def prepare_phase(model: TransferModel, phase: Train) -> None:
    """Freeze all that the phase does not train; raises PhaseError where nothing is left."""
    model.train_only(phase.part)
    if not model.trainable():
        raise PhaseError("the phase trains a part without parameters")


def phase_steps(phase: Train, protocol: Protocol, images: int) -> int:
    """How many steps a phase has: its fraction of the protocol's epochs, one at least."""
    return max(1, round(phase.epochs * protocol.epochs * steps_per_epoch(images, protocol.batch_size)))


def train(
    model: TransferModel,
    phase: Train,
    number: int,
    setting: Setting,
    feed: Feed,
    after_epoch: AfterEpoch = lambda _epoch, _loss: False,
) -> Trained:
    """Carry out the `Train` phase of that number, for which `prepare_phase` has frozen the rest of the model.

    Losses stay on the device until the epoch ends, so that looking at them costs no wait. Raises Diverged where one
    is not finite.
    """
    protocol, examples, device = setting.protocol, feed.source, setting.device
    parameters = model.trainable()
    if setting.learning_rate is None:
        raise PhaseError("the strategy states no learning rates, so it has no steps, and yet it yields a Train")
    optimizer = make_optimizer(model, setting.learning_rate * phase.lr, phase, protocol)
    mix = mixing(protocol, setting.objective) if phase.data is None or phase.data.for_the_task else None
    averaged = Averaged(model.module, protocol.ema) if protocol.ema else None
    steps = min(phase_steps(phase, protocol, len(examples)), setting.most_steps or sys.maxsize)
    scaler = gradient_scaler(device, protocol.precision)
    clock, log = step_clock(device, setting.detail), PhaseSteps()
    done, epoch, mean_loss, stop = 0, 0, math.nan, False
    while done < steps and not stop:
        epoch += 1
        losses: list[torch.Tensor] = []
        sizes: list[int] = []
        images: list[int] = []
        order = epoch_order(len(examples), protocol.batch_size, setting.order)[: steps - done]
        batches = examples.batches(order)
        for _ in order:
            clock.start()
            batch = next(batches)
            if mix is not None:
                batch = mix(batch)
            clock.lap("data")
            optimizer.zero_grad(set_to_none=True)
            loss = batch_loss(model, phase, feed.forward, batch, setting)
            clock.lap("forward")
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            clock.lap("backward")
            if protocol.gradient_clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(parameters, protocol.gradient_clip)
            set_rates(optimizer, rate_factor(done, steps, protocol))
            scaler.step(optimizer)
            scaler.update()
            if phase.after_step is not None:
                phase.after_step(model)
            if averaged is not None:
                averaged.step()
            clock.stop("optimizer")
            done += 1
            losses.append(loss.detach())
            sizes.append(len(batch))
            images.append(batch.images_in_all)
            setting.report(StepDone(number, done, steps, epoch, images[-1]))
        times = clock.resolve()
        log.add(times, images)
        mean_loss = _mean(losses, sizes, first_step=done - len(losses) + 1)
        seconds = sum(time.seconds for time in times)
        setting.report(EpochDone(number, epoch, mean_loss, sum(images) / seconds if seconds else None))
        stop = after_epoch(epoch, mean_loss)
    if averaged is not None:
        averaged.put_in_place()
    return Trained(log, mean_loss, optimizer_bytes(optimizer))


def _mean(losses: list[torch.Tensor], sizes: list[int], first_step: int) -> float:
    values = torch.stack(losses).double().cpu()
    finite = torch.isfinite(values)
    if not finite.all():
        place = int((~finite).nonzero()[0])
        step = first_step + place
        raise Diverged(
            f"the training loss became {float(values[place])} at step {step}; "
            f"a lower learning rate is the usual remedy",
            step,
        )
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((values * weights).sum() / weights.sum())
