"""Heads fitted in closed form against scikit-learn, on features of real weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from builders import make_objective, objective_of
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import average_precision_score, mean_absolute_error
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from torch import nn

from tlbench import Solve, Strategy
from tlbench.contracts.fitting import Examples, Fitting, Solved
from tlbench.contracts.task import Task
from tlbench_packaged.efficientnet_lite import efficientnet_lite
from tlbench_strategies.baselines import image_stats, majority, random_features
from tlbench_strategies.closed_form import knn, lda, linear_probe, prototype, ridge
from tlbench_strategies.linear_heads import logistic_regression, span
from tlbench_tasks.multi_label import MultiLabel
from tlbench_tasks.regression import Regression
from tlbench_tasks.single_label import SingleLabel

ACCURACY = SingleLabel().primary_metric


@pytest.fixture(scope="module")
def data() -> tuple[Fitting, Examples]:
    """lite0's features of digits: 400 to fit to, 200 of val, 300 of test."""
    module = efficientnet_lite(0).build(10, image_size=32, pretrained=True).eval()
    module.classifier = nn.Identity()
    digits = load_digits()
    pixels = torch.from_numpy(digits.images[:900] / 16).float()
    images = nn.functional.interpolate(pixels[:, None].expand(-1, 3, -1, -1), size=32) * 2 - 1
    with torch.inference_mode():
        features = torch.cat([module(each) for each in images.split(100)]).clone()
    labels = torch.from_numpy(digits.target[:900]).long()
    parts = [Examples(features[chosen], labels[chosen]) for chosen in torch.arange(900).split([400, 200, 300])]
    return Fitting(parts[0], parts[1], make_objective(10, parts[0].labels.numpy()), ACCURACY), parts[2]


def of_task(data: tuple[Fitting, Examples], task: Task, label: Callable[[np.ndarray], np.ndarray]) -> Fitting:
    """The same features with what another task asks of a digit."""
    fitting, _ = data
    train, val = (replace(each, labels=labels_of(each, label)) for each in (fitting.train, fitting.val))
    objective = objective_of(task, train.labels.numpy(), train.labels.shape[1])
    return Fitting(train, val, objective, task.primary_metric)


def labels_of(examples: Examples, label: Callable[[np.ndarray], np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(label(examples.labels.numpy()))


def tags(digits: np.ndarray) -> np.ndarray:
    """Whether a digit is odd, small, a prime number: N×3 of 0 and 1."""
    return np.stack([digits % 2, digits < 5, np.isin(digits, (2, 3, 5, 7))], 1).astype(np.int64)


def numbers(digits: np.ndarray) -> np.ndarray:
    """Two targets of different units: the digit's square, and its distance from 4 in thousandths."""
    return np.stack([digits**2, 1e-3 * np.abs(digits - 4)], 1).astype(np.float32)


def solved(strategy: Strategy, data: Fitting, **options: Any) -> Solved:
    """What a strategy fits."""
    (phase,) = strategy.phases(SimpleNamespace(), strategy.options(**options))  # type: ignore[arg-type]
    assert isinstance(phase, Solve)
    return phase.fit(data)


def scores(head: nn.Module, examples: Examples) -> np.ndarray:
    with torch.inference_mode():
        return head(examples.features).numpy()


def same_but_for_ties(ours: np.ndarray, theirs: np.ndarray, margin: float) -> bool:
    """The same class of each example, unless two classes are as near as `margin` to one another."""
    best = np.sort(ours, axis=1)
    tied = best[:, -1] - best[:, -2] <= margin
    assert tied.mean() < 0.05
    return bool((tied | (ours.argmax(1) == theirs)).all())


@pytest.mark.parametrize("l2", [1.0, 10.0, 1000.0])
def test_linear_probe_is_scikit_learns_logistic_regression(data: tuple[Fitting, Examples], l2: float) -> None:
    fitting, test = data
    head = solved(linear_probe, fitting, l2=l2).head
    features, labels = fitting.train.features.double().numpy(), fitting.train.labels.numpy()
    theirs = LogisticRegression(C=1 / l2, max_iter=5000, tol=1e-6).fit(features, labels)
    held = test.features.double().numpy()
    with torch.inference_mode():
        probabilities = head(test.features).softmax(1).numpy()
    assert probabilities == pytest.approx(theirs.predict_proba(held), abs=0.01)
    ours = (probabilities.argmax(1) == test.labels.numpy()).mean()
    assert abs(ours - theirs.score(held, test.labels.numpy())) <= 0.005


def test_a_sweep_keeps_what_val_likes_best(data: tuple[Fitting, Examples]) -> None:
    fitting, _ = data
    found = solved(linear_probe, fitting)
    by_strength = {each["l2"]: each["val_accuracy"] for each in found.candidates}
    assert len(by_strength) == 7
    assert by_strength[found.chosen["l2"]] == max(by_strength.values())
    for strength, accuracy in list(by_strength.items())[:5]:
        alone, _ = logistic_regression(span(fitting.train), 10, strength)
        alike = (scores(alone, fitting.val).argmax(1) == fitting.val.labels.numpy()).mean()
        assert abs(alike - accuracy) <= 0.01  # a start from another solution ends in the same one


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_ridge_is_scikit_learns(data: tuple[Fitting, Examples], alpha: float) -> None:
    fitting, test = data
    theirs = RidgeClassifier(alpha=alpha).fit(fitting.train.features.double().numpy(), fitting.train.labels.numpy())
    ours = scores(solved(ridge, fitting, alpha=alpha).head, test)
    assert ours == pytest.approx(theirs.decision_function(test.features.double().numpy()), abs=1e-3)
    assert same_but_for_ties(ours, theirs.predict(test.features.double().numpy()), 1e-3)


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_ridge_of_several_labels_is_scikit_learns_classifier(data: tuple[Fitting, Examples], alpha: float) -> None:
    """Of a table of labels, RidgeClassifier decides each by a regression of ±1, as Ridge does."""
    fitting, test = of_task(data, MultiLabel(), tags), data[1]
    features, labels = fitting.train.features.double().numpy(), fitting.train.labels.numpy()
    held = test.features.double().numpy()
    ours = scores(solved(ridge, fitting, alpha=alpha).head, test)
    classifier = RidgeClassifier(alpha=alpha).fit(features, labels)
    assert ours == pytest.approx(classifier.decision_function(held), abs=1e-3)
    assert ours == pytest.approx(Ridge(alpha=alpha).fit(features, 2 * labels - 1).predict(held), abs=1e-3)
    probabilities = fitting.objective.predicted(torch.from_numpy(ours)).numpy()
    clear = np.abs(ours) > 1e-3
    assert ((probabilities > 0.5) == classifier.predict(held))[clear].all()
    assert clear.mean() > 0.95


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_ridge_of_numbers_is_scikit_learns_in_the_targets_unit(data: tuple[Fitting, Examples], alpha: float) -> None:
    """Each target is standardised, and a ridge regression of several targets is one of each: the scales do nothing."""
    fitting, test = of_task(data, Regression(), numbers), data[1]
    features, targets = fitting.train.features.double().numpy(), fitting.train.labels.double().numpy()
    expected = Ridge(alpha=alpha).fit(features, targets).predict(test.features.double().numpy())
    outputs = torch.from_numpy(scores(solved(ridge, fitting, alpha=alpha).head, test))
    ours = fitting.objective.predicted(outputs).numpy() / targets.std(0)
    assert ours == pytest.approx(expected / targets.std(0), abs=1e-3)


def test_ridge_of_other_tasks_keeps_the_strength_that_val_likes_best(data: tuple[Fitting, Examples]) -> None:
    """The highest mean average precision, and the lowest mean absolute error, in the targets' unit."""
    tagging, measuring = of_task(data, MultiLabel(), tags), of_task(data, Regression(), numbers)
    found = solved(ridge, tagging)
    precisions = {each["alpha"]: each["val_map"] for each in found.candidates}
    assert len(precisions) == 7
    assert precisions[found.chosen["alpha"]] == max(precisions.values())
    expected = average_precision_score(tagging.val.labels.numpy(), scores(found.head, tagging.val))
    assert max(precisions.values()) == pytest.approx(expected, rel=1e-4)

    found = solved(ridge, measuring)
    errors = {each["alpha"]: each["val_mae"] for each in found.candidates}
    assert len(errors) == 7
    assert errors[found.chosen["alpha"]] == min(errors.values())
    predicted = measuring.objective.predicted(torch.from_numpy(scores(found.head, measuring.val)))
    assert min(errors.values()) == pytest.approx(mean_absolute_error(measuring.val.labels, predicted), rel=1e-4)


@pytest.mark.parametrize("strategy", [image_stats, random_features])
def test_baselines_fit_a_logistic_regression_to_one_class_and_a_ridge_regression_to_more(
    data: tuple[Fitting, Examples], strategy: Strategy
) -> None:
    fitting, test = data
    pairs = [
        (fitting, linear_probe, {"l2": 10.0}),
        (of_task(data, MultiLabel(), tags), ridge, {"alpha": 10.0}),
        (of_task(data, Regression(), numbers), ridge, {"alpha": 10.0}),
    ]
    for each, same, options in pairs:
        ours, theirs = solved(strategy, each, l2=10.0).head, solved(same, each, **options).head
        assert np.array_equal(scores(ours, test), scores(theirs, test))


def test_lda_is_scikit_learns(data: tuple[Fitting, Examples]) -> None:
    fitting, test = data
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    theirs.fit(fitting.train.features.double().numpy(), fitting.train.labels.numpy())
    assert same_but_for_ties(
        scores(solved(lda, fitting).head, test), theirs.predict(test.features.double().numpy()), 1e-3
    )


def test_prototype_is_scikit_learns_nearest_centroid(data: tuple[Fitting, Examples]) -> None:
    fitting, test = data
    theirs = NearestCentroid().fit(fitting.train.features.double().numpy(), fitting.train.labels.numpy())
    assert same_but_for_ties(
        scores(solved(prototype, fitting).head, test), theirs.predict(test.features.double().numpy()), 1e-3
    )


NEIGHBOURS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"k": 5, "metric": "euclidean"}, {"n_neighbors": 5, "metric": "euclidean"}),
    ({"k": 1, "metric": "euclidean"}, {"n_neighbors": 1, "metric": "euclidean"}),
    (
        {"k": 20},
        {"n_neighbors": 20, "metric": "cosine", "weights": lambda distances: np.exp(-distances / 0.07)},
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), NEIGHBOURS)
def test_knn_is_scikit_learns(data: tuple[Fitting, Examples], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    fitting, test = data
    votes = scores(solved(knn, fitting, **ours).head, test)
    fitted = KNeighborsClassifier(**theirs).fit(fitting.train.features.numpy(), fitting.train.labels.numpy())
    probabilities = fitted.predict_proba(test.features.numpy())
    assert np.exp(votes) == pytest.approx(probabilities, abs=2e-3)
    tied = np.sort(probabilities, axis=1)
    clear = tied[:, -1] - tied[:, -2] > 4e-3
    assert (votes.argmax(1) == fitted.predict(test.features.numpy()))[clear].all()
    assert clear.mean() > 0.75


def test_majority_is_the_most_frequent_class() -> None:
    labels = torch.tensor([2, 2, 0, 2, 1, 0])
    train, val = Examples(torch.randn(6, 4), labels), Examples(torch.randn(2, 4), labels[:2])
    head = solved(majority, Fitting(train, val, make_objective(4, labels.numpy()), ACCURACY)).head
    log_shares = head(torch.randn(3, 4)).log_softmax(1)
    expected = torch.tensor([2 / 6, 1 / 6, 3 / 6]).log()
    torch.testing.assert_close(log_shares[:, :3], expected.expand(3, 3))
    assert (log_shares[:, 3] < -1e20).all()


def test_majority_is_each_labels_share_or_each_targets_median(data: tuple[Fitting, Examples]) -> None:
    _, test = data
    tagging, measuring = of_task(data, MultiLabel(), tags), of_task(data, Regression(), numbers)
    for fitting, expected in (
        (tagging, tagging.train.labels.double().mean(0)),
        (measuring, measuring.train.labels.double().quantile(0.5, dim=0)),
    ):
        predicted = fitting.objective.predicted(torch.from_numpy(scores(solved(majority, fitting).head, test)))
        torch.testing.assert_close(predicted.double(), expected.expand(len(predicted), -1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strategy", [linear_probe, ridge, lda, prototype, knn, majority])
@pytest.mark.parametrize("classes", [(0, 2), (0, 1, 3)])
def test_classes_without_images_are_never_predicted(
    strategy: Strategy, classes: tuple[int, ...], fit_noise: Callable[[tuple[int, ...]], Fitting]
) -> None:
    """Two classes, which scikit-learn gives one row for, or three of four."""
    fitting = fit_noise(classes)
    predicted = scores(solved(strategy, fitting).head, fitting.train).argmax(1)
    assert set(predicted) <= set(classes)
    if strategy is not majority:
        assert (predicted == fitting.train.labels.numpy()).mean() > 0.9


@pytest.fixture
def fit_noise() -> Callable[[tuple[int, ...]], Fitting]:
    def make(classes: tuple[int, ...]) -> Fitting:
        torch.manual_seed(0)
        labels = torch.tensor(classes).repeat(30)
        features = torch.randn(len(labels), 8) + 6 * nn.functional.one_hot(labels, 8)
        examples = Examples(features, labels)
        return Fitting(examples, examples, make_objective(4, labels.numpy()), ACCURACY)

    return make
