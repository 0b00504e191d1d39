"""Parts of the training that plugins bring by name: optimizers, schedules, augmentations. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MakeOptimizer = Callable[[Sequence[dict[str, Any]], float], "torch.optim.Optimizer"]
"""Makes an optimizer of torch's parameter groups, each with its `weight_decay`, and a learning rate.

The engine sets each group's `lr` at every step, by its peak rate and the schedule.
"""
Schedule = Callable[[int, int], float]
"""The share of the peak rate at a step (from 0) of so many, after the warm-up: `schedule(step, steps)`."""
Change = Callable[["torch.Tensor"], "torch.Tensor"]
"""Images N×C×S×S with values from 0 to 1, to the same changed at random, each image by its own draw of torch's."""
MakeAugmentation = Callable[[int], Change]
"""Makes a change of images for the image size in pixels."""
