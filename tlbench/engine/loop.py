"""One model trained: what a step computes, and how it is timed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import steps_per_epoch
from tlbench.engine.course import Course, Epoch, Stepped
from tlbench.engine.feed import Feed
from tlbench.engine.precision import gradient_scaler
from tlbench.engine.recipe import Averaged, make_optimizer, mixing, set_rates
from tlbench.engine.setting import Setting
from tlbench.engine.step import batch_loss
from tlbench.errors import Diverged, PhaseError
from tlbench.events import EpochDone
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

    Raises Diverged where a loss is not finite.
    """
    steps = min(phase_steps(phase, setting.protocol, len(feed.source)), setting.most_steps or sys.maxsize)
    trained = _Model(model, phase, number, setting, feed, after_epoch)
    course = Course(number, steps, len(feed.source), [setting.order], setting.protocol, setting.schedule)
    course.run(trained, setting.report)
    if trained.averaged is not None:
        trained.averaged.put_in_place()
    return Trained(trained.log, trained.mean_loss, optimizer_bytes(trained.optimizer))


class _Model:
    """One model on a course: the one place where its steps happen, and where they are timed."""

    def __init__(
        self,
        model: TransferModel,
        phase: Train,
        number: int,
        setting: Setting,
        feed: Feed,
        after_epoch: AfterEpoch,
    ) -> None:
        if setting.learning_rate is None:
            raise PhaseError("the strategy states no learning rates, so it has no steps, and yet it yields a Train")
        protocol, device = setting.protocol, setting.device
        self._model, self._phase, self._number, self._setting, self._feed = model, phase, number, setting, feed
        self._after_epoch = after_epoch
        self._parameters = model.trainable()
        rate = setting.learning_rate * phase.lr
        self.optimizer = make_optimizer(model, rate, phase, protocol, setting.make_optimizer)
        own = phase.data is None or phase.data.for_the_task
        self._mix = mixing(protocol, setting.objective) if own else None
        self.averaged = Averaged(model.module, protocol.ema) if protocol.ema else None
        self._scaler = gradient_scaler(device, protocol.precision)
        self._clock, self.log = step_clock(device, setting.detail), PhaseSteps()
        self._images: list[int] = []
        self.mean_loss = math.nan

    def begin(self, orders: Sequence[Sequence[torch.Tensor]]) -> None:
        """An epoch begins; its batches may be fetched ahead of the steps."""
        (order,) = orders
        self._batches = self._feed.source.batches(order)
        self._images = []

    def step(self, _place: int, factor: float) -> Stepped:
        """One step on the next batch."""
        clock, optimizer, scaler = self._clock, self.optimizer, self._scaler
        clock.start()
        batch = next(self._batches)
        if self._mix is not None:
            batch = self._mix(batch)
        clock.lap("data")
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(self._model, self._phase, self._feed.forward, batch, self._setting)
        clock.lap("forward")
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        clock.lap("backward")
        if self._setting.protocol.gradient_clip:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self._parameters, self._setting.protocol.gradient_clip)
        set_rates(optimizer, factor)
        scaler.step(optimizer)
        scaler.update()
        if self._phase.after_step is not None:
            self._phase.after_step(self._model)
        if self.averaged is not None:
            self.averaged.step()
        clock.stop("optimizer")
        self._setting.between_steps()
        self._images.append(batch.images_in_all)
        return Stepped(loss, len(batch), batch.images_in_all)

    def end(self, epoch: Epoch) -> bool:
        """An epoch has ended: its times are read, its losses looked at, and whoever watches is asked."""
        times = self._clock.resolve()
        self.log.add(times, self._images)
        self.mean_loss = _mean(epoch)
        seconds = sum(time.seconds for time in times)
        speed = sum(self._images) / seconds if seconds else None
        self._setting.report(EpochDone(self._number, epoch.number, self.mean_loss, speed))
        return self._after_epoch(epoch.number, self.mean_loss)


def _mean(epoch: Epoch) -> float:
    values = torch.stack(list(epoch.losses)).cpu().double()
    finite = torch.isfinite(values)
    if not finite.all():
        place = int((~finite).nonzero()[0])
        step = epoch.first_step + place
        raise Diverged(
            f"the training loss became {float(values[place])} at step {step}; "
            f"a lower learning rate is the usual remedy",
            step,
        )
    weights = torch.tensor(epoch.images, dtype=torch.float64)
    return float((values * weights).sum() / weights.sum())
