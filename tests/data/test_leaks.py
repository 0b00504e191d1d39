"""Copies of training images in test are found, changed as copies are; unlike images are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_digits, load_sample_images

from tlbench.data.images import signature
from tlbench.data.leaks import Leak, equal_to, near_to

RANDOM = np.random.default_rng(0)


def crops(number: int, side: int = 160) -> list[PIL.Image.Image]:
    """Parts of scikit-learn's sample photographs that don't overlap."""
    found = []
    for photo in load_sample_images().images:
        for top in range(0, photo.shape[0] - side, side):
            for left in range(0, photo.shape[1] - side, side):
                part = photo[top : top + side, left : left + side]
                if part.std() > 30:  # of a plain sky, the hash is noise
                    found.append(PIL.Image.fromarray(part))
    return found[:number]


def as_jpeg(image: PIL.Image.Image) -> PIL.Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=85)
    return PIL.Image.open(file).convert("RGB")


CHANGES: dict[str, Callable[[PIL.Image.Image], PIL.Image.Image]] = {
    "recompressed": as_jpeg,
    "half as large": lambda image: image.resize((80, 80)),
    "brighter": lambda image: image.point(lambda value: min(255, int(value * 1.1))),
}


def signatures(images: list[PIL.Image.Image]) -> list[bytes]:
    return [signature(np.asarray(image.resize((96, 96)))) for image in images]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_near(change: str) -> None:
    originals = crops(10)
    copies = [CHANGES[change](each) for each in originals]
    assert near_to(signatures(copies), signatures(originals)).tolist() == list(range(10))


def test_other_photographs_and_digits_are_not_near() -> None:
    photos = signatures(crops(10))
    assert near_to(photos[:5], photos[5:]).tolist() == [-1] * 5
    digits = [PIL.Image.fromarray(np.uint8(each * 15)).convert("RGB") for each in load_digits().images[:400]]
    found = signatures(digits)
    assert (near_to(found[:200], found[200:]) == -1).all()


def test_near_by_bits() -> None:
    base = RANDOM.integers(0, 256, 32, dtype=np.uint8)
    near, far = base.copy(), base.copy()
    near[0] ^= 0xFF
    near[1] ^= 0xFF
    far[:3] ^= 0xFF
    assert near_to([near.tobytes(), far.tobytes()], [bytes(32), base.tobytes()]).tolist() == [1, -1]
    assert near_to([], [base.tobytes()]).tolist() == []
    assert near_to([base.tobytes()], []).tolist() == [-1]


def test_equal_by_content() -> None:
    assert equal_to([b"a", b"x", b"b"], [b"b", b"a", b"a"]).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("equal", "near", "said"),
    [
        (141, 0, "141 of 300 test images are in train, too (for example t/a and s/a)"),
        (141, 2, "141 of 300 test images are in train, too, and 2 nearly the same (for example t/a and s/a)"),
        (0, 2, "2 of 300 test images are nearly the same as one in train (for example t/a and s/a)"),
    ],
)
def test_a_leak_in_words(equal: int, near: int, said: str) -> None:
    assert str(Leak(split="test", images=300, equal=equal, near=near, example=("t/a", "s/a"))) == said
