"""What a model predicts for a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from tlbench.data.batches import Images
from tlbench.engine.loop import precision
from tlbench.plan import Protocol

EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Predictions:
    """For each example, in the split's order: its place in the source, its label, and what the model says of it."""

    indices: torch.Tensor
    labels: torch.Tensor
    predicted: torch.Tensor
    confidence: torch.Tensor

    @property
    def accuracy(self) -> float:
        """The share of examples predicted correctly."""
        return float((self.predicted == self.labels).double().mean())

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name, as they are kept beside the record."""
        return {
            "indices": self.indices.contiguous(),
            "labels": self.labels.contiguous(),
            "predicted": self.predicted.contiguous(),
            "confidence": self.confidence.contiguous(),
        }


def predict(module: nn.Module, images: Images, protocol: Protocol, device: torch.device) -> Predictions:
    """Run the model in eval mode over a split; confidence is the softmax probability of the predicted class."""
    module.eval()
    confidences, predicted = [], []
    with torch.inference_mode(), precision(device, protocol.precision):
        for batch in images.in_order(EVALUATION_BATCH):
            probabilities = module(batch.images).float().softmax(dim=1)
            confidence, best = probabilities.max(dim=1)
            confidences.append(confidence.cpu())
            predicted.append(best.cpu())
    return Predictions(images.indices, images.labels.clone(), torch.cat(predicted), torch.cat(confidences))
