"""Labels in another order of the same classes."""

from __future__ import annotations

import numpy as np
import pytest

from tlbench.data.relabel import relabelled

OURS, THEIRS = ("ant", "bee", "cat"), ("cat", "ant", "bee")


def test_numbers_of_classes_go_by_the_names() -> None:
    labels = np.array([0, 2, 1, 0])
    assert [OURS[label] for label in relabelled(labels, THEIRS, OURS)] == [THEIRS[label] for label in labels]


def test_columns_go_by_the_names() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0]])
    assert relabelled(labels, THEIRS, OURS).tolist() == [[0, 0, 1], [1, 0, 1]]


def test_in_the_same_order_any_label_is_as_it_is() -> None:
    masks = np.zeros((2, 4, 4))
    assert relabelled(masks, OURS, list(OURS)) is masks
    with pytest.raises(ValueError, match="another order, and its labels are neither numbers of classes nor a column"):
        relabelled(masks, THEIRS, OURS)
