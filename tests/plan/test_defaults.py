"""What follows from the weights, the dataset and the machine where nothing is asked for."""

from __future__ import annotations

import pytest

from tlbench.plan.defaults import default_image_size


@pytest.mark.parametrize(
    ("native_size", "trained_at", "on_cpu", "expected"),
    [
        (8, [224], True, 96),  # digits on a CPU: features are worth much more than at 32 px
        (28, [224, 260], True, 96),
        (100, [224], True, 128),  # the dataset's own size, in whole multiples of 32
        (500, [224], True, 224),
        (500, [64], True, 64),  # no more than the weights have seen
        (8, [224], False, 224),
        (8, [224, 384], False, 224),  # the smallest, so that all backbones see the same images
        (8, [], True, 32),  # nobody has trained weights: the dataset's own size is enough
        (28, [], False, 32),
        (500, [], False, 224),
    ],
)
def test_the_image_size_goes_towards_that_of_the_weights(
    native_size: int, trained_at: list[int], on_cpu: bool, expected: int
) -> None:
    assert default_image_size(native_size, trained_at, on_cpu) == expected
