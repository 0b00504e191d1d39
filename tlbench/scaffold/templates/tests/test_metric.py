"""The metric keeps tlbench's contract, and is what a person counts."""

from __future__ import annotations

import pytest
import torch
from tlbench.testing import conformance

from my_plugin.metric import least_accuracy

test_it_conforms = conformance("metric", "my-plugin/worst_class")


def test_the_worst_class_of_predictions_made_by_hand() -> None:
    kept = {"labels": torch.tensor([0, 0, 1, 1, 1]), "predicted": torch.tensor([0, 0, 1, 0, 0])}
    assert least_accuracy(kept) == pytest.approx(1 / 3)


def test_of_no_predictions_there_is_none() -> None:
    assert least_accuracy({"labels": torch.tensor([]), "predicted": torch.tensor([])}) is None
