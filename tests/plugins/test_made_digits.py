"""Datasets made of scikit-learn's digits: their labels are true, their splits share no digit, and they are stable."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_digits

from tlbench.contracts import Split, SplitOptions
from tlbench_packaged.made_digits import ENLARGED, digit_angles, digit_grids

DIGITS = load_digits()
IMAGES = np.round(DIGITS.images * (255 / 16)).astype(np.uint8)
GRIDS_OF_TEST = [340, 357, 437, 285, 396, 317, 341, 279, 274, 398]
FIRST_ANGLES = [-21.45491, -18.1358, 28.28032]
"""Of the same generators on another machine: NumPy promises that their streams stay."""
BY_PIXELS = {image.tobytes(): number for number, image in enumerate(IMAGES)}


def quarters(grid: np.ndarray) -> list[int]:
    """Which four digits a mosaic is made of."""
    parts = (grid[:8, :8], grid[:8, 8:], grid[8:, :8], grid[8:, 8:])
    return [BY_PIXELS[np.ascontiguousarray(part).tobytes()] for part in parts]


def test_a_grids_labels_are_those_of_its_digits_and_no_digit_is_in_two_splits() -> None:
    dataset = digit_grids(SplitOptions())
    assert dataset.task == "multi-label"
    used: dict[str, set[int]] = {}
    for name, number in (("train", 2000), ("val", 400), ("test", 1000)):
        split = getattr(dataset, name)
        assert isinstance(split, Split) and len(split) == number
        used[name] = set()
        for index in range(0, number, 7):
            grid = split.image(index)
            assert isinstance(grid, np.ndarray) and grid.shape == (16, 16)
            found = quarters(grid)
            assert np.flatnonzero(split.labels[index]).tolist() == sorted({int(DIGITS.target[each]) for each in found})
            used[name] |= set(found)
    assert not used["train"] & used["test"] and not used["train"] & used["val"] and not used["val"] & used["test"]


def test_a_label_is_on_about_a_third_of_the_grids() -> None:
    """Four digits of ten, drawn with replacement: 1 - 0.9⁴."""
    labels = np.asarray(digit_grids(SplitOptions()).train.labels)
    assert labels.mean() == pytest.approx(1 - 0.9**4, abs=0.01)


def test_a_digit_is_rotated_by_its_target() -> None:
    dataset = digit_angles(SplitOptions())
    assert (dataset.task, list(dataset.classes), len(dataset.train)) == ("regression", ["angle"], len(IMAGES))
    angles = np.asarray(dataset.train.labels)
    assert -45 <= angles.min() < -44 and 44 < angles.max() <= 45
    for index in (0, 5, 900):
        side = ENLARGED * 8
        upright = PIL.Image.fromarray(IMAGES[index]).resize((side, side), PIL.Image.Resampling.BICUBIC)
        back = dataset.train.image(index)
        assert isinstance(back, PIL.Image.Image)
        back = back.rotate(-float(angles[index]), PIL.Image.Resampling.BICUBIC)
        middle = (slice(8, 24), slice(8, 24))  # what no rotation turns out of the image
        difference = np.asarray(back, float)[middle] - np.asarray(upright, float)[middle]
        assert np.abs(difference).mean() < 12
        assert np.abs(np.asarray(back.rotate(40), float)[middle] - np.asarray(upright, float)[middle]).mean() > 20


def test_they_are_the_same_each_time() -> None:
    first, second = digit_grids(SplitOptions()), digit_grids(SplitOptions())
    assert np.array_equal(np.asarray(first.train.labels), np.asarray(second.train.labels))
    assert first.fingerprint == second.fingerprint
    assert np.asarray(first.test.labels if first.test else []).sum(0).tolist() == GRIDS_OF_TEST
    assert np.asarray(digit_angles(SplitOptions()).train.labels)[:3].tolist() == pytest.approx(FIRST_ANGLES)
