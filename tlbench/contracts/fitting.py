"""What a closed form is given, and what it gives: features with their labels, and a fitted head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlbench.contracts.task import merit

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tlbench.contracts.task import Metric, Objective


@dataclass(frozen=True)
class Examples:
    """N features, N×D fp32, and their labels, as the task has them."""

    features: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Fitting:
    """What a head is fitted to: the training features, those of val for choices, and the task.

    `primary` is the metric of val that choices are made by.
    """

    train: Examples
    val: Examples
    objective: Objective
    primary: Metric

    def merit(self, head: nn.Module) -> float:
        """The primary metric of a head on val, the more the better: the negative of one that had better be low."""
        import torch

        with torch.inference_mode():
            outputs = head.to(self.val.features.device)(self.val.features)
            found = self.objective.scores(self.objective.kept(outputs, self.val.labels))[self.primary.name]
        return merit(self.primary.better, found)


@dataclass(frozen=True)
class Solved:
    """A fitted head, N×D features to N×outputs, and for the record what was tried and chosen on val."""

    head: nn.Module
    chosen: Mapping[str, float] = field(default_factory=dict)
    candidates: Sequence[Mapping[str, float]] = ()
