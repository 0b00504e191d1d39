"""The dataset keeps tlbench's contract, and its images are what their labels say."""

from __future__ import annotations

import numpy as np
from tlbench.testing import conformance

from my_plugin.dataset import CLASSES, ShapesOptions, draw, make_shapes

test_it_conforms = conformance("dataset", "my-plugin/shapes")


def test_there_are_as_many_of_each_shape() -> None:
    shapes = make_shapes(ShapesOptions())
    assert shapes.test is not None
    assert np.bincount(np.asarray(shapes.train.labels)).tolist() == [120, 120, 120]
    assert np.bincount(np.asarray(shapes.test.labels)).tolist() == [40, 40, 40]


def test_a_square_is_larger_than_a_circle_and_that_than_a_triangle() -> None:
    white = [(draw(label, noise=0.0, seed=(0, 0))[..., 0] > 128).sum() for label in range(len(CLASSES))]
    circle, square, triangle = white
    assert square > circle > triangle > 0


def test_an_image_is_the_same_each_time() -> None:
    first, again = (np.asarray(make_shapes(ShapesOptions()).train.image(5)) for _ in range(2))
    assert np.array_equal(first, again)
