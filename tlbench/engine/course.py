"""The course of a training: epochs of steps, their orders and rates. What a step does is the trainee's."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tlbench.contracts.training import Schedule
from tlbench.data.batches import epoch_order
from tlbench.engine.recipe import rate_factor
from tlbench.events import Report, StepDone
from tlbench.plan.cell import Protocol


@dataclass(frozen=True)
class Stepped:
    """What a step gives: its loss or losses, which stay on the device, and how many images they are of.

    `seen_images` counts those that were processed for it besides.
    """

    loss: torch.Tensor
    images: int
    seen_images: int


@dataclass(frozen=True)
class Epoch:
    """An epoch that has ended: its number from 1, its losses a step, how many images each is of, and its first step."""

    number: int
    losses: Sequence[torch.Tensor]
    images: Sequence[int]
    first_step: int


class Trainee(typing.Protocol):
    """What is trained: one model, or many heads at once."""

    def begin(self, orders: Sequence[Sequence[torch.Tensor]]) -> None:
        """An epoch begins, with the batches of each order as places in the images."""

    def step(self, place: int, factor: float) -> Stepped:
        """Train on the batch at a place of the orders, at so much of the peak rate."""

    def end(self, epoch: Epoch) -> bool:
        """An epoch has ended; True ends the training."""


@dataclass(frozen=True)
class Course:
    """How many steps a phase has, on how many images, and the streams of chance that draw the orders of each epoch.

    `schedule` is a plugin's, where the protocol names one.
    """

    phase: int
    steps: int
    images: int
    orders: Sequence[torch.Generator]
    protocol: Protocol
    schedule: Schedule | None = None

    def run(self, trainee: Trainee, report: Report) -> None:
        """Train through all steps; losses are looked at when an epoch ends, so that looking costs no wait."""
        done, epoch, stop = 0, 0, False
        while done < self.steps and not stop:
            epoch += 1
            left, size = self.steps - done, self.protocol.batch_size
            orders = [epoch_order(self.images, size, order)[:left] for order in self.orders]
            trainee.begin(orders)
            losses: list[torch.Tensor] = []
            images: list[int] = []
            for place in range(len(orders[0])):
                stepped = trainee.step(place, rate_factor(done, self.steps, self.protocol, self.schedule))
                done += 1
                losses.append(stepped.loss.detach())
                images.append(stepped.images)
                report(StepDone(self.phase, done, self.steps, epoch, stepped.seen_images))
            stop = trainee.end(Epoch(epoch, losses, images, done - len(losses) + 1))
