"""What a strategy logs: points in their order, thinned where there are too many, refused where they are no numbers."""

from __future__ import annotations

import pytest
import torch

from tlbench.contracts.curves import MOST_POINTS, Curve, number_of
from tlbench.results.records import CurveRecord


def test_points_are_kept_in_their_order_with_phase_and_step() -> None:
    curve = Curve()
    for step, value in enumerate([1.0, float("nan"), 0.5]):
        curve.add(2, step, value)
    assert (curve.phases, curve.steps, curve.values) == ([2, 2, 2], [0, 1, 2], [1.0, None, 0.5])


def test_a_long_curve_is_thinned_evenly_and_keeps_its_first_point() -> None:
    curve = Curve()
    for step in range(10 * MOST_POINTS):
        curve.add(0, step, step)
    assert MOST_POINTS // 2 <= len(curve.values) <= MOST_POINTS
    gaps = {after - before for before, after in zip(curve.steps, curve.steps[1:], strict=False)}
    assert gaps == {16} and curve.steps[0] == 0 and curve.values == curve.steps


def test_steps_go_on_over_phases() -> None:
    record = CurveRecord(phases=[0, 0, 3, 3], steps=[1, 10, 0, 5], values=[1.0, 2.0, None, 4.0])
    assert record.points() == [(1, 1.0), (10, 2.0), (15, 4.0)]


@pytest.mark.parametrize("value", [2, 2.0, torch.tensor(2.0), torch.tensor([2.0], requires_grad=True)])
def test_numbers_and_tensors_with_one_are_numbers(value: object) -> None:
    assert number_of("loss", value) == 2.0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("loss", "2", "the logged value 'loss' is a str; it must be a number or a tensor with one"),
        ("loss", torch.zeros(3), "is a Tensor"),
        (3, 2.0, "the name of what is logged is 3"),
    ],
)
def test_all_else_is_refused(name: object, value: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        number_of(name, value)
