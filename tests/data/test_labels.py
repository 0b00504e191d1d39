"""Labels are looked at once, and what is wrong is said with the example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import make_dataset, make_split, noise

from tlbench.contracts import Dataset, Split
from tlbench.data.labels import check_labels
from tlbench.errors import UserError
from tlbench_tasks.single_label import SingleLabel

TASK = SingleLabel()


def with_labels(labels: Any, **more: Any) -> Dataset:
    return make_dataset(Split(labels, make_split(noise(10)).image), **more)


@pytest.mark.parametrize(
    "labels", [[0, 1] * 5, [0.0, 1.0] * 5, torch.tensor([0, 1] * 5), np.array([0, 1] * 5, np.uint8)]
)
def test_whole_numbers_of_any_type_are_labels(labels: Any) -> None:
    assert check_labels("demo", with_labels(labels), TASK)["train"].tolist() == [0, 1] * 5


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 0.5, 1], "demo: train: the label of example 2 is .*0.5.*; labels are integers"),
        ([0, 1, float("nan"), 1], "the label of example 2 is .*nan.*; labels are integers"),
        (["cat", "dog"], "the label of example 0 is .*cat.*; labels are integers"),
        ([0, 1, 2, 1], "the label of example 2 is 2; with 2 classes, labels are 0 to 1"),
        ([0, 1, -1, 1], "the label of example 2 is -1; with 2 classes, labels are 0 to 1"),
        ([[0], [1]], r"labels have the shape \(2, 1\)"),
    ],
)
def test_wrong_labels_are_named(labels: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_labels("demo", with_labels(labels), TASK)


def test_a_class_in_test_that_train_lacks_is_refused() -> None:
    images = make_split(noise(10)).image
    dataset = make_dataset(Split([0, 1], images), test=Split([0, 2], images), classes=("a", "b", "c"))
    with pytest.raises(UserError, match="test has c, of which train has no image"):
        check_labels("demo", dataset, TASK)


def test_classes_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="the class 'a' is named more than once"):
        check_labels("demo", with_labels([0, 1], classes=("a", "a")), TASK)


def test_what_a_split_lacks_is_said() -> None:
    labels = {"train": np.array([0, 1, 2]), "val": np.array([0]), "test": np.array([0, 1])}
    assert list(TASK.notes(["a", "b", "c"], labels)) == [
        "val has no image of 2 of 3 classes (b, c): choices on val are made without them",
        "test has no image of 1 of 3 classes (c): figures are over the classes that occur",
    ]
