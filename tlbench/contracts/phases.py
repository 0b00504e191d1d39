"""The phases that a strategy is made of. The engine carries each out; what one finds is sent back to the strategy.

This module imports no torch, so that registering costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.batch import Batch
    from tlbench.contracts.fitting import Fitting, Solved
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.part import Part
    from tlbench.contracts.seen import Seen
    from tlbench.contracts.train_data import TrainData


@dataclass(frozen=True)
class Train:
    """Train `part` by gradient descent, all else frozen (and in eval mode).

    `epochs` is a fraction of the protocol's epochs, `lr` a factor of the strategy's learning rate; `rates` has factors
    of some parts besides: of a tensor in several of them, the first holds. Weight decay leaves `no_decay` alone,
    whatever the protocol says: what a penalty holds already, and factors, whose neutral value is 1.

    What is minimised is the mean loss of a batch, or what `objective` makes of all that the step has seen: the
    activations of the modules named in `watch` among it. `penalty` is added. `after_step` is called when the optimizer
    has moved the tensors. `of` is the model to train where it is not the trial's own: a teacher.

    `data` are the images to train on where they are not the labelled training images as the protocol has them: views,
    another dataset, images without labels. A step has a batch of them, and one of each of `beside`, which begin again
    when they have come to their end; the steps are counted by `data`.
    """

    part: Part
    epochs: float = 1.0
    lr: float = 1.0
    rates: Sequence[tuple[Part, float]] = ()
    no_decay: Part | None = None
    objective: Callable[[Seen], torch.Tensor] | None = None
    watch: tuple[str, ...] = ()
    penalty: Callable[[TransferModel], torch.Tensor] | None = None
    after_step: Callable[[TransferModel], object] | None = None
    of: TransferModel | None = None
    moves: Part | None = None
    data: TrainData | None = None
    beside: Sequence[TrainData] = ()


@dataclass(frozen=True)
class Solve:
    """Fit a new head in closed form to the features that the head is given, and put it in place.

    Images are taken as they are, without augmentation. The seed draws a share of the training images, `subset`, so that
    seeds differ although nothing else is left to chance.
    """

    fit: Callable[[Fitting], Solved]
    subset: float = 1.0


@dataclass(frozen=True)
class Rewrite:
    """Change the model in place without looking at data (wrap, merge, grow, interpolate).

    Where weights are averaged by `model.interpolate` or `model.average`, and the models differ in their BatchNorm
    statistics, these are estimated again on the training images when the phase ends.

    What is random in it is drawn from the seed of initialisation, as it is in the strategy's own code between phases.
    """

    apply: Callable[[TransferModel], object]


@dataclass(frozen=True)
class Validate:
    """Predict val with the model as it is; sends the predictions back (`value`, `loss`, `merit`)."""


@dataclass(frozen=True)
class Look:
    """Look at the training images, in batches of an order that the seed draws; sends back what `apply` gives.

    The model's parameters and buffers stay as they are. `data` are other images to look at.
    """

    apply: Callable[[TransferModel, Iterable[Batch]], Any]
    data: TrainData | None = None


Phase = Train | Solve | Rewrite | Validate | Look
