"""What a model predicts for a split, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from tlbench.contracts.task import Metric, Objective, merit
from tlbench.engine.feed import Feed, in_order
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting
from tlbench.errors import Diverged
from tlbench.plan.cell import Protocol
from tlbench.results.records import EXAMPLE_SCORES

LARGEST_BATCH = {"cpu": 32}
"""On a CPU, activations of more images leave its caches, and fewer are predicted in a second."""
LARGEST_ELSEWHERE = 256


def evaluation_batch(protocol: Protocol, device: torch.device) -> int:
    """Images predicted at once: more than in a training step, which keeps activations and gradients too."""
    return min(LARGEST_BATCH.get(device.type, LARGEST_ELSEWHERE), 4 * protocol.batch_size)


@dataclass(frozen=True)
class Predictions:
    """For each of N examples, in the split's order: its place in the source, and what the task keeps of it.

    `primary` is the metric that models are chosen by.
    """

    indices: torch.Tensor
    kept: Mapping[str, torch.Tensor]
    objective: Objective
    primary: Metric

    @cached_property
    def scores(self) -> dict[str, float | None]:
        """The task's metrics by name."""
        return self.objective.scores(self.kept)

    @property
    def value(self) -> float:
        """The primary metric; where it can't be said, the worst there is."""
        found = self.scores[self.primary.name]
        if found is None:
            return -math.inf if self.primary.better == "higher" else math.inf
        return found

    @property
    def loss(self) -> float:
        """The mean loss, without label smoothing and weights."""
        return float(self.kept["loss"].double().mean())

    @property
    def merit(self) -> tuple[float, float]:
        """What is chosen by on val, the more the better: the primary metric, and of equals the lower loss."""
        return merit(self.primary.better, self.scores[self.primary.name]), -self.loss

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name, as they are kept beside the record."""
        kept = {"indices": self.indices, **self.kept}
        scores = self.objective.example_scores(self.kept)
        if scores is not None:
            kept[EXAMPLE_SCORES] = scores
        return {name: tensor.contiguous() for name, tensor in kept.items()}


def predict(module: nn.Module, feed: Feed, indices: torch.Tensor, setting: Setting) -> Predictions:
    """Run a feed of the module over a split in eval mode, whose places in its source are `indices`.

    Raises Diverged where it gives an output that is not finite.
    """
    module.eval()
    protocol, objective = setting.protocol, setting.objective
    parts: dict[str, list[torch.Tensor]] = {}
    finite = True
    device = next(module.parameters()).device
    with torch.inference_mode():
        for batch in in_order(feed.source, evaluation_batch(protocol, device)):
            with autocast(device, protocol.precision):
                outputs = feed.forward(batch.images).float()
            finite = finite and bool(torch.isfinite(outputs).all())
            for name, tensor in objective.kept(outputs, batch.labels).items():
                parts.setdefault(name, []).append(tensor.cpu())
    if not finite:
        raise Diverged("the trained model's outputs are not finite numbers; a lower learning rate is the usual remedy")
    kept = {name: torch.cat(tensors) for name, tensors in parts.items()}
    return Predictions(indices, kept, objective, setting.primary)


def chance_level(predictions: Predictions) -> float | None:
    """The primary metric of the best prediction that knows nothing of an image, on the same examples."""
    labels = predictions.kept["labels"]
    constant = predictions.objective.constant().expand(len(labels), -1)
    return predictions.objective.scores(predictions.objective.kept(constant, labels))[predictions.primary.name]
