"""Smoothing in a model, by hooks: its modules, the names of its tensors and their numbers stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from tlbench.contracts.model import TransferModel
from tlbench.toolkit import PhaseError

Smooth = Callable[[torch.Tensor], torch.Tensor]
"""Gives N×C×H×W values smoothed."""
SHARES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}
"""What is left of the strength when a share of the steps is done."""


class Falling:
    """A strength that falls to 0 over the steps of a phase; where the model is not in train mode, it is off.

    `value` is a tensor on the model's device, so that a compiled model is one program, and not another for each step.
    """

    def __init__(self, model: TransferModel, start: float, anneal: str) -> None:
        self.value = torch.tensor(start, device=next(model.module.parameters()).device)
        self._module = model.module
        self._start = self._now = start
        self._share = SHARES[anneal]
        self._done = 0
        self._over = False

    @property
    def on(self) -> bool:
        """Whether there is something to smooth now."""
        return self._module.training and not self._over

    def after_step(self, model: TransferModel) -> None:
        """A step is done, and the next one has less."""
        model.log("smoothing", self._now)
        self._done += 1
        self._now = self._start * self._share(self._done / model.phase_steps())
        self._over = self._now == 0
        self.value.fill_(self._now)


def insert(model: TransferModel, smooth: Smooth, stages: Sequence[int]) -> list[RemovableHandle]:
    """Smooth the images that a model is given, and what some of its stages give; the handles take that away again."""

    def images(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return smooth(inputs[0]), *inputs[1:]

    def maps(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            raise PhaseError("a stage to be smoothed gives no feature maps N×C×H×W; choose others by stages=")
        return smooth(output)

    ends = ends_of_stages(model)
    chosen = dict.fromkeys(ends[stage] for stage in stages)
    return [
        model.module.register_forward_pre_hook(images),
        *(model.module.get_submodule(path).register_forward_hook(maps) for path in chosen),
    ]


def ends_of_stages(model: TransferModel) -> list[str]:
    """Of each stage, the module whose output is the stage's."""
    return [[block.name for block in run][-1] for _, run in groupby(model.layout, key=lambda block: block.stage)]
