"""What predictions are worth: their figures, what models are chosen by, and the level of chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import load_split, make_setting, noise, objective_of, save_split
from torch import nn

from tlbench.contracts.task import Metric, Objective, Task
from tlbench.engine.evaluate import Predictions, chance_level, predict
from tlbench.engine.feed import Feed
from tlbench.errors import Diverged
from tlbench_tasks.multi_label import MultiLabel
from tlbench_tasks.regression import Regression
from tlbench_tasks.single_label import SingleLabel

CLASSES = np.array([0, 0, 0, 1, 1, 2])
TAGS = np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]])
NUMBERS = np.array([[1.0, 10], [2, 20], [3, 60], [4, 20], [8, 30], [12, 10]], np.float32)
TASKS = [(SingleLabel(), CLASSES), (MultiLabel(), TAGS), (Regression(), NUMBERS)]


class Says(nn.Module):
    """Gives the same outputs for every image; in train mode, others."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs, self.drop = nn.Parameter(outputs), nn.Dropout()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = self.drop(self.outputs.expand(len(images), -1))
        return given


def make(task: Task, labels: np.ndarray) -> Objective:
    return objective_of(task, labels, 3 if labels.ndim == 1 else labels.shape[1])


def predicted(folder: Path, task: Task, labels: np.ndarray, outputs: torch.Tensor) -> Predictions:
    save_split(folder, "val", noise(len(labels)), labels)
    val, module = load_split(folder, "val"), Says(outputs)
    setting = make_setting(objective=make(task, labels), primary=task.primary_metric)
    return predict(module.train(), Feed(val, module), val.indices, setting)


@pytest.mark.parametrize(("task", "labels"), TASKS)
def test_the_best_prediction_that_knows_nothing_is_at_the_level_of_chance(
    tmp_path: Path, task: Task, labels: np.ndarray
) -> None:
    found = predicted(tmp_path, task, labels, make(task, labels).constant())
    errors = np.abs(NUMBERS - np.median(NUMBERS, axis=0))
    expected = {"accuracy": 3 / 6, "map": (4 / 6 + 1 / 6 + 2 / 6) / 3, "mae": errors.mean()}[task.primary]
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert chance_level(found) == pytest.approx(expected, rel=1e-5)
    sign = 1 if task.primary_metric.better == "higher" else -1
    assert found.merit == (sign * found.value, -found.loss)
    assert found.loss == pytest.approx(float(found.kept["loss"].mean()))
    assert found.indices.tolist() == list(range(6))
    kept = found.tensors()
    assert {"indices", "labels", "loss", "example_scores"} <= kept.keys()
    assert all(len(each) == 6 for each in kept.values())


R2 = Metric("r2", "R²", "lower")
"""As if the share of the variance that is explained had better be low."""


@pytest.mark.parametrize(
    ("task", "train", "labels", "primary", "worst"),
    [
        (MultiLabel(), TAGS, np.zeros((2, 3), np.int64), MultiLabel().primary_metric, -math.inf),  # no label occurs
        (Regression(), NUMBERS, NUMBERS[:1], R2, math.inf),  # one image, which has no variance
    ],
)
def test_a_metric_that_can_not_be_said_is_the_worst_there_is(
    task: Task, train: np.ndarray, labels: np.ndarray, primary: Metric, worst: float
) -> None:
    objective = make(task, train)
    kept = objective.kept(objective.constant().expand(len(labels), -1), torch.from_numpy(labels))
    found = Predictions(torch.arange(len(labels)), kept, objective, primary)
    assert found.scores[primary.name] is None
    assert found.value == worst
    assert found.merit == (-math.inf, -found.loss)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_outputs_that_are_not_finite_are_no_predictions(tmp_path: Path, bad: float) -> None:
    with pytest.raises(Diverged, match="outputs are not finite"):
        predicted(tmp_path, SingleLabel(), CLASSES, torch.tensor([0.0, bad, 0.0]))
