"""Linear heads on the same features, trained as one batched product: each gets what it would have got alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from tlbench.contracts.phases import Train
from tlbench.engine.course import Course, Epoch, Stepped
from tlbench.engine.feed import Feed
from tlbench.engine.loop import phase_steps
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting
from tlbench.events import EpochDone
from tlbench.plan.cell import Protocol
from tlbench.results.costs import FeaturesRecord


@dataclass
class Head:
    """A linear head: where it starts, and in the end what became of it.

    `order` draws the order of the images; heads of one seed share it. `losses` has each epoch's mean;
    `diverged_at` is the first step (from 1) whose loss was not a finite number.
    """

    seed: int
    learning_rate: float
    order: torch.Generator
    weight: torch.Tensor
    bias: torch.Tensor | None
    losses: list[float] = field(default_factory=list)
    diverged_at: int | None = None


@dataclass(frozen=True)
class Product:
    """What the heads of a job share: the phase, the features, and the layer that each in turn is put into."""

    phase: Train
    feed: Feed
    features: FeaturesRecord
    layer: nn.Linear
    heads: list[Head]

    def put(self, head: Head) -> None:
        """Make it the model's head."""
        with torch.no_grad():
            self.layer.weight.copy_(head.weight)
            if head.bias is not None:
                self.layer.bias.copy_(head.bias)


def linear_suffix(feed: Feed) -> nn.Linear | None:
    """The linear layer that a feed's features go through, where that is all; None otherwise."""
    if feed.prefix is None or not isinstance(feed.forward, torch.fx.GraphModule):
        return None
    nodes = list(feed.forward.graph.nodes)
    if [node.op for node in nodes] != ["placeholder", "call_module", "output"]:
        return None
    layer = feed.forward.get_submodule(str(nodes[1].target))
    return layer if type(layer) is nn.Linear else None


def train_heads(heads: Sequence[Head], feed: Feed, phase: Train, number: int, setting: Setting) -> None:
    """Carry out a phase for all heads at once, as `loop.train` does for one model: AdamW, gradients clipped.

    The heads are those of all pairs of a seed and a rate. A head whose loss is not finite is noted, and harms no other.
    """
    trained = _Heads(heads, feed, phase, number, setting)
    images = len(feed.source)
    orders = [head.order for head in trained.table[0]]
    Course(number, phase_steps(phase, setting.protocol, images), images, orders, setting.protocol).run(
        trained, setting.report
    )
    trained.hand_back()


class _Heads:
    """Many heads on one course: a row of the table for each rate, in it a head for each seed."""

    def __init__(self, heads: Sequence[Head], feed: Feed, phase: Train, number: int, setting: Setting) -> None:
        seeds = list(dict.fromkeys(head.seed for head in heads))
        rates = list(dict.fromkeys(head.learning_rate for head in heads))
        by_place = {(head.seed, head.learning_rate): head for head in heads}
        self._heads, self._feed, self._phase, self._number, self._setting = heads, feed, phase, number, setting
        self.table = [[by_place[seed, rate] for seed in seeds] for rate in rates]
        self._weights = [nn.Parameter(torch.stack([head.weight for head in row])) for row in self.table]
        self._biases = [
            nn.Parameter(torch.stack([head.bias for head in row if head.bias is not None]))
            for row in self.table
            if row[0].bias is not None
        ]
        self._optimizer = _adamw(self._weights, self._biases, rates, setting.protocol)

    def begin(self, orders: Sequence[Sequence[torch.Tensor]]) -> None:
        """An epoch begins, with an order for each seed."""
        self._chosen = list(zip(*orders, strict=True))

    def step(self, place: int, factor: float) -> Stepped:
        """One step of all heads."""
        chosen, clip = self._chosen[place], self._setting.protocol.gradient_clip
        loss = _losses(self._weights, self._biases, self._feed, chosen, self._setting)
        self._optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        if clip:
            _clip_each(self._weights, self._biases, clip)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * (self._phase.lr * factor)
        self._optimizer.step()
        return Stepped(loss, len(chosen[0]), len(chosen[0]) * len(self._heads))

    def end(self, epoch: Epoch) -> bool:
        """An epoch has ended: each head gets its mean loss."""
        _note_losses(self.table, epoch)
        for head in self._heads:
            self._setting.report(EpochDone(self._number, epoch.number, head.losses[-1], None, head.seed))
        return False

    def hand_back(self) -> None:
        """Give each head what it was trained to."""
        for row, weight in zip(self.table, self._weights, strict=True):
            for place, head in enumerate(row):
                head.weight = weight.detach()[place].clone()
        for row, bias in zip(self.table, self._biases, strict=False):
            for place, head in enumerate(row):
                head.bias = bias.detach()[place].clone()


def _losses(
    weights: list[nn.Parameter],
    biases: list[nn.Parameter],
    feed: Feed,
    chosen: Sequence[torch.Tensor],
    setting: Setting,
) -> torch.Tensor:
    """The mean loss of each head (rates × seeds): a product for each seed, with the heads of all its rates."""
    rates, (seeds, outputs, width) = len(weights), weights[0].shape
    batch = feed.source.batch(torch.cat(list(chosen)))
    features = batch.images.view(seeds, -1, width)
    with autocast(batch.labels.device, setting.protocol.precision):
        stacked = torch.stack(list(weights), 1).view(seeds, rates * outputs, width)
        if biases:
            offsets = torch.stack(list(biases), 1).view(seeds, 1, rates * outputs)
            given = torch.baddbmm(offsets, features, stacked.transpose(1, 2))
        else:
            given = torch.bmm(features, stacked.transpose(1, 2))
        given = given.view(seeds, -1, rates, outputs).permute(2, 0, 1, 3)
        labels = batch.labels.expand(rates, *batch.labels.shape)
        each = setting.objective.losses(given.reshape(-1, outputs), labels.flatten(0, 1))
    return each.view(rates, seeds, -1).mean(2)


def _adamw(
    weights: list[nn.Parameter], biases: list[nn.Parameter], rates: list[float], protocol: Protocol
) -> torch.optim.AdamW:
    """AdamW that decays weights, not biases, each rate a group."""
    groups = [
        {"params": [each], "rate": rate, "weight_decay": decay}
        for parameters, decay in ((weights, protocol.weight_decay), (biases, 0.0))
        for each, rate in zip(parameters, rates if parameters else [], strict=True)
    ]
    return torch.optim.AdamW(groups, fused=True)


def _clip_each(weights: list[nn.Parameter], biases: list[nn.Parameter], norm: float) -> None:
    """Scale each head's gradient down to a norm, as `clip_grad_norm_` does for one model."""
    for place, weight in enumerate(weights):
        gradients = [each.grad for each in (weight, *biases[place : place + 1]) if each.grad is not None]
        squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
        factors = (norm / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def _note_losses(table: list[list[Head]], epoch: Epoch) -> None:
    values = torch.stack(list(epoch.losses)).cpu().double()
    shares = torch.tensor(epoch.images, dtype=torch.float64) / sum(epoch.images)
    means = torch.einsum("b,brs->rs", shares, values)
    for rate, row in enumerate(table):
        for seed, head in enumerate(row):
            head.losses.append(float(means[rate, seed]))
            if head.diverged_at is None and not math.isfinite(head.losses[-1]):
                bad = ~torch.isfinite(values[:, rate, seed])
                head.diverged_at = epoch.first_step + int(bad.nonzero()[0])
