"""One class for each image: figures against scikit-learn's and sums done by hand, the loss against PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import make_objective
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)
from sklearn.utils.class_weight import compute_class_weight

from tlbench.contracts.task import Kept
from tlbench_tasks.single_label import SingleLabel

TASK = SingleLabel()


def made_up(classes: int, number: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are right more often than not, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (number,), generator=generator)
    logits = torch.randn(number, classes, generator=generator)
    logits[torch.arange(number), labels] += 1.5
    return logits, labels


def scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float | None]:
    objective = make_objective(logits.shape[1])
    return objective.scores(objective.kept(logits, labels))


def by_class(logits: torch.Tensor, labels: torch.Tensor) -> list[float | None]:
    objective = make_objective(logits.shape[1])
    return objective.by_target(objective.kept(logits, labels))["accuracy"]


@pytest.mark.parametrize("classes", [2, 5, 10, 40])
def test_scikit_learns_figures(classes: int) -> None:
    logits, given = made_up(classes)
    found = scores(logits, given)
    probabilities = logits.double().softmax(1).numpy()
    assert make_objective(classes).predicted(logits).numpy() == pytest.approx(probabilities, rel=1e-5)
    labels, predicted = given.numpy(), probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted), rel=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"), rel=1e-6)
    assert found["nll"] == pytest.approx(log_loss(labels, probabilities, labels=range(classes)), rel=1e-5)
    assert by_class(logits, given) == pytest.approx(recall_score(labels, predicted, average=None), rel=1e-6)
    if classes > 10:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes))
        assert found["top5_accuracy"] == pytest.approx(expected)
    else:
        assert found["top5_accuracy"] is None
    assert found.keys() == {metric.name for metric in TASK.metrics}
    assert TASK.primary_metric.name == "accuracy"


def test_calibration_error_by_hand() -> None:
    """Ten examples: six at 0.9 of which three are right, four at 0.6 of which all are right."""
    confidence = torch.tensor([0.9] * 6 + [0.6] * 4)
    logits = torch.stack([confidence.log(), (1 - confidence).log()], 1)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 0, 0])
    assert scores(logits, labels)["ece"] == pytest.approx(0.6 * (0.9 - 0.5) + 0.4 * (1 - 0.6))


def test_a_class_that_does_not_occur_is_none_and_not_in_the_mean() -> None:
    logits = torch.tensor([[5.0, 0, 0], [0, 0, 5.0], [5.0, 0, 0], [0, 5.0, 0]])
    labels = torch.tensor([0, 0, 0, 1])
    assert by_class(logits, labels) == [pytest.approx(2 / 3), 1.0, None]
    assert scores(logits, labels)["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    found = scores(torch.tensor([[300.0, 0.0]]), torch.tensor([1]))
    assert found["nll"] == pytest.approx(300.0)
    assert math.isfinite(found["ece"] or 0.0)


def test_examples_scores_are_what_accuracy_is_the_mean_of() -> None:
    logits, labels = made_up(5)
    objective = make_objective(5)
    each = objective.example_scores(objective.kept(logits, labels))
    assert each is not None and each.tolist() == (logits.argmax(1) == labels).float().tolist()
    assert float(each.mean()) == pytest.approx(scores(logits, labels)["accuracy"])


def test_what_is_kept_has_the_rank_and_the_confidence_of_each_example() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    kept: Kept = make_objective(3).kept(logits, torch.tensor([0, 1, 2]))
    assert kept["rank"].tolist() == [1, 2, 3]
    assert kept["predicted"].tolist() == [0, 0, 0]
    assert kept["confidence"].tolist() == pytest.approx([math.exp(2) / (math.exp(2) + math.e + 1)] * 3)


def test_class_weights_are_scikit_learns_balanced_ones() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    same = torch.zeros(6, 3)  # all cross-entropies are the logarithm of 3
    found = make_objective(3, labels, class_weights=True).losses(same, torch.from_numpy(labels))
    assert (found / math.log(3)).tolist() == pytest.approx(expected[labels])
    lacking = make_objective(3, [0, 2, 2], class_weights=True).losses(same[:3], torch.arange(3))
    assert (lacking / math.log(3)).tolist() == pytest.approx([1.0, 0.0, 0.5])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_is_pytorchs_cross_entropy(smoothing: float, balanced: bool, mixed: bool) -> None:
    """Also of labels that are shares of classes, as mixup makes them."""
    logits, labels = made_up(4, 30)
    counts = labels.bincount(minlength=4)
    weights = 30 / (4 * counts) if balanced else None
    objective = make_objective(4, labels.numpy(), label_smoothing=smoothing, class_weights=balanced)
    given = 0.7 * objective.encoded(labels) + 0.3 * objective.encoded(labels.roll(1)) if mixed else labels
    torch.testing.assert_close(
        objective.loss(logits, given), F.cross_entropy(logits, given, weights, label_smoothing=smoothing)
    )
    torch.testing.assert_close(
        objective.losses(logits, given),
        F.cross_entropy(logits, given, weights, reduction="none", label_smoothing=smoothing),
    )


def test_what_is_kept_of_the_loss_is_neither_smoothed_nor_weighted() -> None:
    logits, labels = made_up(4, 30)
    objective = make_objective(4, labels.numpy(), label_smoothing=0.3, class_weights=True)
    torch.testing.assert_close(
        objective.kept(logits, labels)["loss"], F.cross_entropy(logits, labels, reduction="none")
    )


def test_the_constant_prediction_has_the_classes_shares_and_the_largest_is_the_chance_level() -> None:
    labels = torch.tensor([2, 2, 0, 2, 1, 0])
    objective = make_objective(4, labels.numpy())
    shares = objective.predicted(objective.constant()[None])[0]
    assert shares.tolist() == pytest.approx([2 / 6, 1 / 6, 3 / 6, 0])
    kept = objective.kept(objective.constant().expand(6, -1), labels)
    assert objective.scores(kept)["accuracy"] == pytest.approx(3 / 6)
    assert objective.learned_nothing(kept)


def test_a_model_has_learned_nothing_where_balanced_accuracy_is_that_of_one_class() -> None:
    logits, labels = made_up(5)
    objective = make_objective(5)
    assert not objective.learned_nothing(objective.kept(logits, labels))
    always = torch.eye(5)[[0]].expand(300, -1)
    assert objective.learned_nothing(objective.kept(always, labels))
    assert not objective.learned_nothing(objective.kept(always, torch.zeros(300, dtype=torch.long)))  # of one class


def test_training_images_of_one_class_are_refused() -> None:
    TASK.check_train(["a", "b"], np.array([0, 1]))
    with pytest.raises(ValueError, match="the 2 training images are all of one class"):
        TASK.check_train(["a", "b"], np.array([1, 1]))


def test_an_answer_is_the_most_probable_class() -> None:
    assert TASK.answer(["cat", "dog", "fox"], [0.2, 0.5, 0.3]) == "dog"
    assert TASK.described(["cat", "dog", "fox"]) == "3 classes (cat, dog, fox)"
    assert TASK.outputs(["cat", "dog", "fox"]) == 3
    assert TASK.strata(np.array([0, 2, 1])).tolist() == [0, 2, 1]
