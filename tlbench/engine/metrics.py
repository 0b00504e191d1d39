"""What predictions are worth, by torchmetrics."""

from __future__ import annotations

import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from tlbench.engine.evaluate import Predictions
from tlbench.results.records import Metrics

TOP5_FROM_CLASSES = 11
"""With fewer classes, five guesses say little."""
ECE_BINS = 15
"""As in Guo et al. 2017, who made the figure known."""


def metrics(test: Predictions, val_accuracy: float, train_loss: float | None) -> Metrics:
    """All figures of a trial's test predictions.

    Balanced accuracy and per-class accuracy are over the classes that occur in test; a class that doesn't is None.
    """
    classes = test.probabilities.shape[1]
    per_class = multiclass_accuracy(test.predicted, test.labels, classes, average=None)
    occurs = torch.bincount(test.labels, minlength=classes) > 0
    return Metrics(
        accuracy=test.accuracy,
        val_accuracy=val_accuracy,
        train_loss=train_loss,
        top5_accuracy=_top5(test, classes) if classes >= TOP5_FROM_CLASSES else None,
        balanced_accuracy=float(per_class[occurs].mean()),
        macro_f1=float(multiclass_f1_score(test.predicted, test.labels, classes, average="macro")),
        nll=test.mean_nll,
        ece=float(multiclass_calibration_error(test.probabilities, test.labels, classes, n_bins=ECE_BINS, norm="l1")),
        per_class_accuracy=[
            float(value) if present else None for value, present in zip(per_class, occurs, strict=True)
        ],
    )


def _top5(test: Predictions, classes: int) -> float:
    return float(multiclass_accuracy(test.probabilities, test.labels, classes, average="micro", top_k=5))
