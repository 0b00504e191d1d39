"""Figures of predictions against scikit-learn's and against sums done by hand."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)

from tlbench.engine.evaluate import Predictions
from tlbench.engine.metrics import metrics


def predictions(logits: torch.Tensor, labels: torch.Tensor) -> Predictions:
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    return Predictions(torch.arange(len(labels)), labels, logits.softmax(1), losses)


def made_up(classes: int, number: int = 300, seed: int = 0) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (number,), generator=generator)
    logits = torch.randn(number, classes, generator=generator)
    logits[torch.arange(number), labels] += 1.5
    return predictions(logits, labels)


@pytest.mark.parametrize("classes", [2, 5, 10, 40])
def test_scikit_learns_figures(classes: int) -> None:
    test = made_up(classes)
    found = metrics(test, 0.5, 1.25)
    labels, predicted, probabilities = test.labels.numpy(), test.predicted.numpy(), test.probabilities.double().numpy()
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted), rel=1e-6)
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"), rel=1e-6)
    assert found.nll == pytest.approx(log_loss(labels, probabilities, labels=range(classes)), rel=1e-5)
    assert found.per_class_accuracy == pytest.approx(recall_score(labels, predicted, average=None), rel=1e-6)
    assert (found.val_accuracy, found.train_loss) == (0.5, 1.25)
    if classes > 10:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes))
        assert found.top5_accuracy == pytest.approx(expected)
    else:
        assert found.top5_accuracy is None


def test_calibration_error_by_hand() -> None:
    """Ten examples: six at 0.9 of which three are right, four at 0.6 of which all are right."""
    confidence = torch.tensor([0.9] * 6 + [0.6] * 4)
    logits = torch.stack([confidence.log(), (1 - confidence).log()], 1)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 0, 0])
    assert metrics(predictions(logits, labels), 0.0, None).ece == pytest.approx(0.6 * (0.9 - 0.5) + 0.4 * (1 - 0.6))


def test_a_class_that_does_not_occur_is_none_and_not_in_the_mean() -> None:
    logits = torch.tensor([[5.0, 0, 0], [0, 0, 5.0], [5.0, 0, 0], [0, 5.0, 0]])
    found = metrics(predictions(logits, torch.tensor([0, 0, 0, 1])), 0.0, None)
    assert found.per_class_accuracy == [pytest.approx(2 / 3), 1.0, None]
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    found = metrics(predictions(torch.tensor([[300.0, 0.0]]), torch.tensor([1])), 0.0, None)
    assert found.nll == pytest.approx(300.0)
    assert math.isfinite(found.ece or 0.0)
