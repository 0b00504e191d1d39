"""Numbers for each image: figures against scikit-learn's, in the targets' own unit whatever the head gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import objective_of
from scipy.stats import zscore
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error

from tlbench.contracts.task import Objective
from tlbench_tasks.regression import Regression

TASK = Regression()
NAMES = ("angle", "length")


def describe(example: int) -> str:
    return f"picture {example}"


def made_up(targets: int, number: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised outputs that know something, and targets of different units."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(number, targets))
    outputs = truth + 0.5 * random.normal(size=(number, targets))
    units, places = 10.0 ** np.arange(targets), 5.0 * np.arange(1, targets + 1)
    return torch.from_numpy(outputs).float(), torch.from_numpy(places + units * truth**3).float()


def make(labels: torch.Tensor) -> Objective:
    return objective_of(TASK, labels.numpy(), labels.shape[1])


@pytest.mark.parametrize("targets", [1, 2, 4])
def test_scikit_learns_figures(targets: int) -> None:
    outputs, labels = made_up(targets)
    objective = make(labels)
    kept = objective.kept(outputs, labels)
    found, truth = objective.scores(kept), labels.double().numpy()
    predicted = outputs.double().numpy() * truth.std(0) + truth.mean(0)
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-5)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(truth, predicted), rel=1e-5)
    assert found["r2"] == pytest.approx(r2_score(truth, predicted), rel=1e-5)
    assert found["mse"] == pytest.approx(mean_squared_error(zscore(truth), outputs.double().numpy()), rel=1e-5)
    each = mean_absolute_error(truth, predicted, multioutput="raw_values")
    assert objective.by_target(kept) == {"mae": pytest.approx(each.tolist(), rel=1e-5)}
    assert found.keys() == {metric.name for metric in TASK.metrics}
    assert TASK.primary_metric.name == "mae" and TASK.primary_metric.better == "lower"


def test_of_one_example_no_variance_is_explained() -> None:
    outputs, labels = made_up(2)
    objective = make(labels)
    found = objective.scores(objective.kept(outputs[:1], labels[:1]))
    assert found["r2"] is None
    assert found["mae"] == pytest.approx(float((objective.predicted(outputs[:1]) - labels[:1]).abs().mean()), rel=1e-5)


def test_the_loss_is_the_squared_error_of_standardised_targets() -> None:
    outputs, labels = made_up(3)
    objective = make(labels)
    wanted = torch.from_numpy(zscore(labels.double().numpy())).float()
    torch.testing.assert_close(objective.encoded(labels), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(objective.loss(outputs, labels), torch.nn.MSELoss()(outputs, wanted))
    each = torch.nn.MSELoss(reduction="none")(outputs, wanted).mean(1)
    torch.testing.assert_close(objective.losses(outputs, labels), each, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(objective.kept(outputs, labels)["loss"], each, rtol=1e-4, atol=1e-5)


def test_other_splits_are_standardised_as_train_is() -> None:
    objective = make(torch.tensor([[0.0], [10.0]]))  # a mean and a deviation of 5
    assert objective.encoded(torch.tensor([[0.0], [5.0], [20.0]])).tolist() == [[-1.0], [0.0], [3.0]]
    assert objective.predicted(torch.tensor([[-1.0], [0.0], [3.0]])).tolist() == [[0.0], [5.0], [20.0]]


def test_predictions_are_in_the_targets_unit() -> None:
    _, labels = made_up(3)
    objective = make(labels)
    torch.testing.assert_close(objective.predicted(objective.encoded(labels)), labels, rtol=1e-5, atol=1e-3)
    perfect = objective.scores(objective.kept(objective.encoded(labels), labels))
    assert perfect["mae"] == pytest.approx(0, abs=1e-3)
    assert perfect["r2"] == pytest.approx(1)


def test_outputs_of_lower_precision_are_predictions_in_fp32() -> None:
    outputs, labels = made_up(2)
    objective = make(labels)
    assert objective.predicted(outputs.bfloat16()).dtype == torch.float32
    assert objective.kept(outputs.bfloat16(), labels)["loss"].dtype == torch.float32


def test_the_constant_prediction_is_the_median_which_no_other_beats() -> None:
    _, labels = made_up(2)
    objective = make(labels)
    assert objective.predicted(objective.constant()).tolist() == pytest.approx(np.median(labels, axis=0), rel=1e-5)

    def error(constant: torch.Tensor) -> float:
        found = objective.scores(objective.kept(constant.expand(len(labels), -1), labels))["mae"]
        assert found is not None
        return found

    others = [error(objective.constant() + shift) for shift in (-0.5, -0.01, 0.01, 0.5)]
    assert all(other > error(objective.constant()) - 1e-6 for other in others)
    assert objective.learned_nothing(objective.kept(objective.constant().expand(len(labels), -1), labels))


def test_who_knows_something_has_learned_something() -> None:
    outputs, labels = made_up(2)
    objective = make(labels)
    assert not objective.learned_nothing(objective.kept(objective.encoded(labels) * 0.5, labels))
    assert objective.learned_nothing(objective.kept(outputs.roll(1, 0), labels))


def test_examples_scores_are_what_the_mean_absolute_error_is_the_mean_of() -> None:
    outputs, labels = made_up(2)
    objective = make(labels)
    kept = objective.kept(outputs, labels)
    each = objective.example_scores(kept)
    assert each is not None and each.shape == (len(labels),)
    assert float(each.double().mean()) == pytest.approx(objective.scores(kept)["mae"], rel=1e-5)


def test_numbers_of_any_type_are_targets_and_a_row_of_them_one_target() -> None:
    for given in ([1, 2, 3], [1.0, 2.0, 3.0], np.array([1, 2, 3], np.uint8), torch.tensor([[1.0], [2.0], [3.0]])):
        checked = TASK.checked(["angle"], given, describe)  # type: ignore[arg-type]
        assert checked.tolist() == [[1.0], [2.0], [3.0]] and checked.dtype == np.float32


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([[1, 2], [3, float("nan")]], "the target length of picture 1 is nan; it must be a finite number"),
        ([[1, 2], [float("inf"), 0]], "the target angle of picture 1 is inf; it must be a finite number"),
        ([[1, None]], "the target length of picture 0 is None"),
        ([[1, 2, 3]], r"targets have the shape \(1, 3\); 2 for each image are expected"),
        ([1, 2, 3], r"targets have the shape \(3, 1\); 2 for each image are expected"),
        ([["left", 1]], "the target angle of picture 0 is left; it must be a finite number"),
        ([[1, 2], [3]], "picture 1 has 1 target, and 2 are expected"),
        ([[1, 1e300]], "the target length of picture 0 is 1e\\+300; it must be a finite number"),
    ],
)
def test_wrong_targets_are_named(targets: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TASK.checked(NAMES, targets, describe)


def test_a_target_that_does_not_vary_is_refused() -> None:
    TASK.check_train(NAMES, np.array([[1.0, 2.0], [3.0, 4.0]]))
    with pytest.raises(ValueError, match=r"the target length is 2\.5 for all 2 training images"):
        TASK.check_train(NAMES, np.array([[1.0, 2.5], [3.0, 2.5]]))


def test_strata_are_tenths_by_the_first_target() -> None:
    values = np.random.default_rng(0).permutation(200).astype(np.float32)
    strata = TASK.strata(np.stack([values, np.zeros(200, np.float32)], 1))
    assert np.bincount(strata).tolist() == [20] * 10
    assert all(strata[values == 20 * tenth].tolist() == [tenth] for tenth in range(10))


def test_strata_of_few_values_are_these() -> None:
    values = np.repeat(np.array([1.0, 5.0], np.float32), [150, 50])[:, None]
    strata = TASK.strata(values)
    assert len(set(strata[:150])) == len(set(strata[150:])) == 1
    assert strata[0] != strata[-1]


def test_an_answer_has_names_and_numbers() -> None:
    assert TASK.answer(NAMES, [12.345678, -0.5]) == "angle 12.35, length -0.5"
    assert TASK.described(NAMES) == "2 targets (angle, length)"
    assert TASK.outputs(NAMES) == 2
