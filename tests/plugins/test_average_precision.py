"""What each example is worth to a mean average precision: against the jackknife done example by example."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from tlbench_tasks.average_precision import pseudo_values


def made_up(number: int, shares: tuple[float, ...] = (0.5, 0.3, 0.1), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know something, without ties, and labels, each on three images at least."""
    random = np.random.default_rng(seed)
    labels = random.random((number, len(shares))) < shares
    labels[:3] = True
    return random.normal(size=labels.shape) + labels, labels


def mean_average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(average_precision_score(labels, scores, average="macro"))


def found(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    values = pseudo_values(torch.from_numpy(scores), torch.from_numpy(labels))
    assert values is not None
    return values.double().numpy()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [8, 60])
def test_they_are_those_of_the_jackknife_done_by_force(number: int, seed: int) -> None:
    scores, labels = made_up(number, seed=seed)
    whole = mean_average_precision(scores, labels)
    expected = [
        number * whole
        - (number - 1) * mean_average_precision(np.delete(scores, place, axis=0), np.delete(labels, place, axis=0))
        for place in range(number)
    ]
    assert found(scores, labels) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_of_a_perfect_order_all_are_worth_the_same() -> None:
    labels = np.arange(10)[:, None] < 4
    assert found(-np.arange(10.0)[:, None], labels) == pytest.approx([1.0] * 10)


def test_their_mean_is_near_the_metric_itself() -> None:
    scores, labels = made_up(1000)
    assert found(scores, labels).mean() == pytest.approx(mean_average_precision(scores, labels), abs=0.01)


def test_their_variance_is_that_of_a_bootstrap() -> None:
    scores, labels = made_up(600)
    values = found(scores, labels)
    random = np.random.default_rng(1)
    drawn = [random.integers(0, 600, 600) for _ in range(400)]
    bootstrap = np.var([mean_average_precision(scores[each], labels[each]) for each in drawn])
    assert values.var(ddof=1) / 600 == pytest.approx(bootstrap, rel=0.3)


def test_a_label_of_one_example_is_left_out_as_nothing_can_be_said_without_it() -> None:
    scores, labels = made_up(40)
    alone = np.zeros((40, 1), bool)
    alone[7] = True
    more = np.concatenate([labels, alone], 1)
    assert found(np.concatenate([scores, scores[:, :1]], 1), more) == pytest.approx(found(scores, labels))
    assert pseudo_values(torch.from_numpy(scores[:, :1]), torch.from_numpy(alone)) is None
