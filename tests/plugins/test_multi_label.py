"""Any number of labels for each image: figures against scikit-learn's, the loss against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import objective_of
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss

from tlbench.contracts.task import Objective
from tlbench_tasks.multi_label import MultiLabel

TASK = MultiLabel()
NAMES = ("sky", "sea", "sun")


def describe(example: int) -> str:
    return f"picture {example}"


def made_up(labels: int = 6, number: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that know something, and labels that are rarer and rarer, each on two images at least."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.linspace(0.6, 0.03, labels)
    given = (torch.rand(number, labels, generator=generator) < shares).long()
    given[:2] = 1
    logits = torch.randn(number, labels, generator=generator) + 1.5 * given - 1
    return logits, given


def make(labels: torch.Tensor, **options: Any) -> Objective:
    return objective_of(TASK, labels.numpy(), labels.shape[1], **options)


def scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float | None]:
    objective = make(labels)
    return objective.scores(objective.kept(logits, labels))


@pytest.mark.parametrize("labels", [2, 6, 20])
def test_scikit_learns_figures(labels: int) -> None:
    logits, given = made_up(labels)
    found, expected = scores(logits, given), given.numpy()
    probabilities = logits.double().sigmoid().numpy()
    guessed = (probabilities > 0.5).astype(int)
    assert found["map"] == pytest.approx(average_precision_score(expected, probabilities, average="macro"), rel=1e-5)
    assert found["macro_f1"] == pytest.approx(f1_score(expected, guessed, average="macro"), rel=1e-5)
    assert found["micro_f1"] == pytest.approx(f1_score(expected, guessed, average="micro"), rel=1e-5)
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(expected, guessed))
    each = [log_loss(expected[:, place], probabilities[:, place]) for place in range(labels)]
    assert found["bce"] == pytest.approx(np.mean(each), rel=1e-5)
    assert found.keys() == {metric.name for metric in TASK.metrics}
    assert TASK.primary_metric.name == "map"


def test_the_average_precision_of_each_label_is_scikit_learns() -> None:
    logits, labels = made_up()
    objective = make(labels)
    expected = average_precision_score(labels.numpy(), logits.numpy(), average=None)
    assert objective.by_target(objective.kept(logits, labels)) == {
        "average_precision": pytest.approx(expected.tolist(), rel=1e-5)
    }


def test_average_precision_by_hand() -> None:
    """Positives at the ranks 1 and 3 of four, (1/1 + 2/3) / 2; and at the last rank, 1/4."""
    logits = torch.tensor([[4.0, 4.0], [3.0, 3.0], [2.0, 2.0], [1.0, 1.0]])
    labels = torch.tensor([[1, 0], [0, 0], [1, 0], [0, 1]])
    assert scores(logits, labels)["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 4) / 2)


def test_a_label_that_does_not_occur_is_none_and_not_in_the_mean() -> None:
    logits, labels = made_up()
    objective = make(labels)  # of training images that have it
    without = labels.clone()
    without[:, 2] = 0
    kept = objective.kept(logits, without)
    occurring = [0, 1, 3, 4, 5]
    expected = average_precision_score(labels[:, occurring].numpy(), logits[:, occurring].numpy(), average="macro")
    assert objective.by_target(kept)["average_precision"][2] is None
    assert objective.scores(kept)["map"] == pytest.approx(expected, rel=1e-5)


def test_where_no_label_occurs_there_is_no_mean_average_precision() -> None:
    logits, labels = made_up()
    objective = make(labels)
    kept = objective.kept(logits, torch.zeros_like(labels))
    assert objective.scores(kept)["map"] is None
    assert objective.example_scores(kept) is None
    assert not objective.learned_nothing(kept)


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    assert scores(torch.tensor([[-300.0, 0.0]]), torch.tensor([[1, 0]]))["bce"] == pytest.approx((300 + np.log(2)) / 2)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_loss_is_pytorchs_of_sigmoids(smoothing: float, balanced: bool, mixed: bool) -> None:
    """Smoothing moves labels towards one half; an image with a label weighs as many times as there are others."""
    logits, labels = made_up()
    objective = make(labels, label_smoothing=smoothing, class_weights=balanced)
    given = 0.7 * labels + 0.3 * labels.roll(1, 0) if mixed else labels
    positive = labels.sum(0)
    weight = (len(labels) - positive) / positive if balanced else None
    theirs = torch.nn.BCEWithLogitsLoss(pos_weight=weight)
    wanted = given * (1 - smoothing) + 0.5 * smoothing
    torch.testing.assert_close(objective.loss(logits, given), theirs(logits, wanted))
    for place in (0, 7, 50):
        alone = theirs(logits[place], wanted[place])
        torch.testing.assert_close(objective.losses(logits, given)[place], alone)


def test_what_is_kept_of_the_loss_is_neither_smoothed_nor_weighted() -> None:
    logits, labels = made_up()
    kept = make(labels, label_smoothing=0.2, class_weights=True).kept(logits, labels)
    expected = torch.nn.BCEWithLogitsLoss(reduction="none")(logits, labels.float()).mean(1)
    torch.testing.assert_close(kept["loss"], expected)
    torch.testing.assert_close(kept["probabilities"], logits.double().sigmoid())
    assert torch.equal(kept["labels"].long(), labels)


def test_sure_predictions_keep_their_order() -> None:
    logits, labels = made_up()
    scores = {factor: make(labels).scores(make(labels).kept(factor * logits, labels)) for factor in (1, 8)}
    assert scores[8]["map"] == pytest.approx(scores[1]["map"], rel=1e-6)


def test_one_label_alone_is_a_task_too() -> None:
    logits, labels = made_up()
    objective = make(labels[:, :1])
    kept = objective.kept(logits[:, :1], labels[:, :1])
    expected = average_precision_score(labels[:, 0], logits[:, 0])
    assert objective.scores(kept)["map"] == pytest.approx(expected, rel=1e-6)
    assert objective.by_target(kept)["average_precision"] == [pytest.approx(expected, rel=1e-6)]


def test_the_constant_prediction_is_each_labels_share_whose_precision_is_the_chance_level() -> None:
    _, labels = made_up()
    objective = make(labels)
    shares = labels.double().mean(0)
    assert objective.predicted(objective.constant()).tolist() == pytest.approx(shares.tolist(), rel=1e-5)
    kept = objective.kept(objective.constant().expand(len(labels), -1), labels)
    assert objective.scores(kept)["map"] == pytest.approx(float(shares.mean()), rel=1e-5)
    assert objective.learned_nothing(kept)


def test_of_a_label_without_training_images_the_constant_prediction_is_finite() -> None:
    labels = torch.tensor([[1, 0, 1], [0, 0, 1]])
    constant = make(labels, class_weights=True).constant()
    assert torch.isfinite(constant).all()
    assert constant.sigmoid().tolist() == pytest.approx([0.5, 0.0, 1.0], abs=1e-5)


def test_who_knows_something_has_learned_something_and_a_random_order_nothing() -> None:
    logits, labels = made_up(labels=3, number=3000)
    objective = make(labels)
    assert not objective.learned_nothing(objective.kept(logits, labels))
    torch.manual_seed(0)
    assert objective.learned_nothing(objective.kept(logits[torch.randperm(3000)], labels))


def test_an_image_is_in_the_stratum_of_its_rarest_label() -> None:
    """The sky is on 4 images, the sea on 3, the sun on 1; one image has nothing."""
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]])
    sky, sea, other_sea, sun, nothing = TASK.strata(labels).tolist()
    assert sea == other_sea
    assert len({sky, sea, sun, nothing}) == 4


def test_zeros_and_ones_of_any_type_are_labels() -> None:
    rows = [[1, 0, 1], [0, 0, 0]]
    for given in (rows, np.array(rows, np.uint8), np.array(rows, float), np.array(rows, bool), torch.tensor(rows)):
        checked = TASK.checked(NAMES, given, describe)  # type: ignore[arg-type]
        assert checked.tolist() == rows and checked.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([[1, 0, 0], [0, 2, 0]], "the label sea of picture 1 is 2; it is 0 or 1"),
        ([[1, 0, 0], [0, 0, -1]], "the label sun of picture 1 is -1; it is 0 or 1"),
        ([[1, 0, 0], [0, 0.5, 0]], "the label of picture 1 is .*0.5"),
        ([[1, 0, float("nan")], [0, 1, 0]], "the label of picture 0 is .*nan"),
        ([["yes", "no", "no"]], "the label of picture 0 is .*yes"),
        ([[1, 0], [0, 1]], r"labels have the shape \(2, 2\); a row of 3 zeros and ones for each image is expected"),
        ([1, 0, 1], r"labels have the shape \(3,\); a row of 3"),
    ],
)
def test_wrong_labels_are_named(labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TASK.checked(NAMES, labels, describe)


def test_a_label_in_test_that_train_lacks_is_refused() -> None:
    train = np.array([[1, 1, 0], [0, 1, 0]])
    TASK.check_splits(NAMES, {"train": train, "val": train[:1], "test": train[1:]})
    with pytest.raises(ValueError, match="test has the label sun, which no image of train has; add some to train"):
        TASK.check_splits(NAMES, {"train": train, "test": np.array([[1, 0, 1]])})


def test_training_images_that_all_have_the_same_labels_are_refused() -> None:
    TASK.check_train(NAMES, np.array([[1, 0, 0], [1, 1, 0]]))
    with pytest.raises(ValueError, match="the 2 training images all have the same labels"):
        TASK.check_train(NAMES, np.array([[1, 0, 0], [1, 0, 0]]))


def test_what_a_split_lacks_is_said() -> None:
    labels = {"train": np.array([[1, 0, 1]]), "val": np.array([[1, 1, 1]]), "test": np.array([[0, 0, 1]])}
    assert list(TASK.notes(NAMES, labels)) == [
        "no image of train has 1 of 3 labels (sea): nothing is learned of them",
        "no image of test has 2 of 3 labels (sky, sea): figures are over the labels that occur",
    ]


def test_an_answer_has_the_labels_above_one_half() -> None:
    assert TASK.answer(NAMES, [0.9, 0.5, 0.51]) == "sky, sun"
    assert TASK.answer(NAMES, [0.1, 0.2, 0.3]) == "none"
    assert TASK.described(NAMES) == "3 labels (sky, sea, sun)"
    assert TASK.outputs(NAMES) == 3
