"""What an objective is given of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tlbench.contracts.batch import HEAD_INPUT, Batch

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.model import TransferModel


@dataclass(frozen=True)
class Seen:
    """What a step has seen: the model, its batch, and what the model makes of it.

    Outputs, activations, features and the task's loss are computed when one of them is first read, with a gradient; an
    objective that asks for none of them makes its own forward passes. `images` are the model's input N×C×S×S, `labels`
    as the task has them (or N×outputs encoded ones of images that were mixed); reading them raises PhaseError where the
    phase uses images without labels. `views` is how many views of each image the batch has.
    """

    model: TransferModel
    batch: Batch
    forward: Callable[[torch.Tensor], torch.Tensor]
    task_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    watched: Mapping[str, torch.Tensor]
    views: int = 1

    @property
    def images(self) -> torch.Tensor:
        """The model's input, N×C×S×S."""
        return self.batch.images

    @property
    def labels(self) -> torch.Tensor:
        """The labels of the images."""
        return self.batch.labels

    @property
    def beside(self) -> tuple[Batch, ...]:
        """A batch of each of the phase's `beside`."""
        return self.batch.beside

    @cached_property
    def _pass(self) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """The forward pass; what was watched is kept apart from what other passes of the objective will give."""
        import torch

        with torch.enable_grad():  # even where it is first read by code that wants no gradient of its own
            outputs = self.forward(self.images)
        return outputs, dict(self.watched)

    @property
    def outputs(self) -> torch.Tensor:
        """The model's outputs, N×outputs."""
        return self._pass[0]

    @property
    def activations(self) -> Mapping[str, torch.Tensor]:
        """What the modules that the phase watches gave, by path."""
        return self._pass[1]

    @property
    def features(self) -> torch.Tensor:
        """What the head's first module was given."""
        return self.activations[HEAD_INPUT]

    @cached_property
    def loss(self) -> torch.Tensor:
        """The mean loss of the task that the images are labelled for."""
        import torch

        with torch.enable_grad():
            return self.task_loss(self.outputs, self.labels)

    def by_view(self, values: torch.Tensor) -> torch.Tensor:
        """Rows of a batch as views × images × …."""
        return values.view(self.views, len(values) // self.views, *values.shape[1:])
