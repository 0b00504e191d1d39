"""What a model predicts for a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.engine.feed import Feed, in_order
from tlbench.engine.precision import autocast
from tlbench.errors import Diverged
from tlbench.plan.cell import Protocol

LARGEST_BATCH = {"cpu": 32}
"""On a CPU, activations of more images leave its caches, and fewer are predicted in a second."""
LARGEST_ELSEWHERE = 256


def evaluation_batch(protocol: Protocol, device: torch.device) -> int:
    """Images predicted at once: more than in a training step, which keeps activations and gradients too."""
    return min(LARGEST_BATCH.get(device.type, LARGEST_ELSEWHERE), 4 * protocol.batch_size)


@dataclass(frozen=True)
class Predictions:
    """For each of N examples, in the split's order: its place in the source, its label, and what the model says.

    `probabilities` is N×classes (softmax, fp32); `nll` is the negative logarithm of the label's probability, taken
    from the logits, so that it is finite where a probability rounds to 0.
    """

    indices: torch.Tensor
    labels: torch.Tensor
    probabilities: torch.Tensor
    nll: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """The most probable class."""
        return self.probabilities.argmax(dim=1)

    @property
    def confidence(self) -> torch.Tensor:
        """The probability of the predicted class."""
        return self.probabilities.amax(dim=1)

    @property
    def accuracy(self) -> float:
        """The share of examples predicted correctly."""
        return float((self.predicted == self.labels).double().mean())

    @property
    def mean_nll(self) -> float:
        """The mean negative log-likelihood, in nats."""
        return float(self.nll.double().mean())

    @property
    def merit(self) -> tuple[float, float]:
        """What is chosen by on val: the accuracy, and of equals the lower loss."""
        return self.accuracy, -self.mean_nll

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name, as they are kept beside the record."""
        kept = {
            "indices": self.indices,
            "labels": self.labels,
            "predicted": self.predicted,
            "confidence": self.confidence,
            "nll": self.nll,
        }
        return {name: tensor.contiguous() for name, tensor in kept.items()}


def predict(module: nn.Module, feed: Feed, indices: torch.Tensor, protocol: Protocol) -> Predictions:
    """Run a feed of the module over a split in eval mode, whose places in its source are `indices`.

    Raises Diverged where it gives a logit that is not finite.
    """
    module.eval()
    probabilities, losses = [], []
    device = next(module.parameters()).device
    with torch.inference_mode():
        for batch in in_order(feed.source, evaluation_batch(protocol, device)):
            with autocast(device, protocol.precision):
                logits = feed.forward(batch.images).float()
            losses.append(F.cross_entropy(logits, batch.labels, reduction="none").cpu())
            probabilities.append(logits.softmax(dim=1).cpu())
    everything = torch.cat(probabilities)
    if not torch.isfinite(everything).all():
        raise Diverged("the trained model's outputs are not finite numbers; a lower learning rate is the usual remedy")
    return Predictions(indices, feed.source.labels.clone(), everything, torch.cat(losses))
