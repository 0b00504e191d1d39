"""The task keeps tlbench's contract, and its figures are those of the Poisson distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tlbench.testing import conformance
from torch.nn.functional import poisson_nll_loss

from my_plugin.task import Count, draw_spots

test_the_task_conforms = conformance("task", "my-plugin/count")
test_its_dataset_conforms = conformance("dataset", "my-plugin/spots")


def test_the_loss_is_pytorchs_of_labels_and_of_encoded_ones() -> None:
    objective = Count().objective(("spots",), {"mean": [2.0]})
    outputs, labels = torch.tensor([[0.3], [1.2]]), torch.tensor([1, 3])
    expected = poisson_nll_loss(outputs[:, 0], labels.float(), reduction="none")
    assert torch.allclose(objective.losses(outputs, labels), expected)
    assert torch.allclose(objective.losses(outputs, objective.encoded(labels)), expected)


def test_the_scores_of_predictions_made_by_hand() -> None:
    objective = Count().objective(("spots",), {"mean": [2.0]})
    kept = objective.kept(torch.tensor([[1.0], [2.0], [4.5]]).log(), torch.tensor([1, 3, 4]))
    assert objective.scores(kept) == {"count_error": pytest.approx(0.5), "exact": pytest.approx(2 / 3)}
    assert objective.constant().exp().item() == pytest.approx(2.0)


def test_a_negative_count_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="the label of example 1 is negative"):
        Count().checked(("spots",), [2, -1], "example {}".format)


def test_an_image_has_as_many_white_pixels_as_its_spots() -> None:
    assert [int((draw_spots(number, (0, 0)) == 255).all(axis=2).sum()) for number in range(3)] == [0, 16, 32]
    assert np.array_equal(draw_spots(3, (0, 1)), draw_spots(3, (0, 1)))
