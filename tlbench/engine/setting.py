"""What is the same for all phases of a trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tlbench.contracts.task import Metric, Objective
from tlbench.contracts.training import MakeOptimizer, Schedule
from tlbench.events import Report
from tlbench.plan.cell import Protocol


@dataclass(frozen=True)
class Setting:
    """What is the same for all phases of a trial; `most_steps` ends each phase early, for a trial of a batch size.

    `learning_rate` is None where the strategy has no steps. `objective` is the task, with the loss that the protocol
    asks for, `primary` the metric that models are chosen by. `make_optimizer` and `schedule` are a plugin's, where the
    protocol names one. `between_steps` is called after each, outside of its time.
    """

    protocol: Protocol
    learning_rate: float | None
    order: torch.Generator
    device: torch.device
    report: Report
    objective: Objective
    primary: Metric
    detail: bool = False
    most_steps: int | None = None
    make_optimizer: MakeOptimizer | None = None
    schedule: Schedule | None = None
    between_steps: Callable[[], object] = lambda: None
