"""Datasets made of scikit-learn's digits for tasks of other kinds, the same on every machine."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import PIL.Image

from tlbench.contracts import Dataset, Split, SplitOptions

GRIDS = {"train": 2000, "val": 400, "test": 1000}
"""Mosaics of each split, whose digits are of that split alone."""
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
ENLARGED = 4
"""Digits are enlarged so many times before they are rotated, so that an angle is more than a pixel."""
MOST_DEGREES = 45.0


def digit_grids(_options: SplitOptions) -> Dataset:
    """2×2 mosaics of digits; which of the ten occur."""
    images, digits = _digits()
    pools = _pools(len(images))
    random = np.random.default_rng(1)
    splits = {name: _grids(images, digits, pools[name], number, random) for name, number in GRIDS.items()}
    return Dataset(
        classes=[str(digit) for digit in range(10)],
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        native_size=16,
        domain="handwriting",
        licence="CC-BY-4.0",
        fingerprint=f"scikit-learn {version('scikit-learn')} digit-grids 1",
        task="multi-label",
    )


def digit_angles(_options: SplitOptions) -> Dataset:
    """Digits rotated by a known angle: degrees, counterclockwise, from -45 to 45; each digit once."""
    images, _ = _digits()
    degrees = np.random.default_rng(2).uniform(-MOST_DEGREES, MOST_DEGREES, len(images)).astype(np.float32)

    def rotated(index: int) -> PIL.Image.Image:
        side = ENLARGED * images.shape[1]
        large = PIL.Image.fromarray(images[index]).resize((side, side), PIL.Image.Resampling.BICUBIC)
        return large.rotate(float(degrees[index]), PIL.Image.Resampling.BICUBIC)

    return Dataset(
        classes=["angle"],
        train=Split(degrees, rotated),
        native_size=ENLARGED * images.shape[1],
        domain="handwriting",
        licence="CC-BY-4.0",
        fingerprint=f"scikit-learn {version('scikit-learn')} pillow {version('pillow')} digit-angles 1",
        task="regression",
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 images, 8×8 of uint8, and their digits."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.round(bunch.images * (255 / 16)).astype(np.uint8), bunch.target


def _pools(number: int) -> dict[str, np.ndarray]:
    """The digits of each split, drawn once."""
    order = np.random.default_rng(0).permutation(number)
    ends = np.cumsum([round(share * number) for share in SHARES.values()])[:-1]
    return dict(zip(SHARES, np.split(order, ends), strict=True))


def _grids(images: np.ndarray, digits: np.ndarray, pool: np.ndarray, number: int, random: np.random.Generator) -> Split:
    """Mosaics of four digits of a pool each."""
    chosen = random.choice(pool, (number, 4))
    labels = np.zeros((number, 10), dtype=np.int64)
    np.put_along_axis(labels, digits[chosen], 1, axis=1)

    def grid(index: int) -> np.ndarray:
        first, second, third, fourth = images[chosen[index]]
        return np.block([[first, second], [third, fourth]])

    return Split(labels, grid)
