"""Training images changed at random: each by its own draw, from a stream that nothing else touches."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
import torch

from tlbench.data.augment import Augment, named_changes
from tlbench.errors import UserError
from tlbench.plan import AUGMENTATIONS

SIZE = 16


def picture(number: int = 6) -> torch.Tensor:
    """The same image so many times, brightest at its upper left."""
    ramp = torch.linspace(1, 0, SIZE)
    return (ramp.view(1, 1, -1, 1) * ramp.view(1, 1, 1, -1)).expand(number, 3, SIZE, SIZE).clone()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_image_has_its_own_draw(name: str) -> None:
    images = picture(24)
    changed = Augment(named_changes([name], SIZE), seed=3)(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert len({each.numpy().tobytes() for each in changed}) > 1
    assert torch.equal(images, picture(24))


def test_a_flip_is_the_image_or_its_mirror_image() -> None:
    images = picture(40)
    changed = Augment(named_changes(["flip"], SIZE), seed=0)(images)
    flipped = [torch.equal(each, images[0].flip(2)) for each in changed]
    kept = [torch.equal(each, images[0]) for each in changed]
    assert all(one != other for one, other in zip(flipped, kept, strict=True))
    assert 8 < sum(flipped) < 32


def changes(augment: Augment, batches: int = 3) -> torch.Tensor:
    return torch.stack([augment(picture()) for _ in range(batches)])


@pytest.mark.parametrize("names", [["flip", "crop"], ["trivial", "colour", "erase"]])
def test_the_stream_is_its_seeds_alone(names: Sequence[str]) -> None:
    augment = Augment(named_changes(names, SIZE), seed=1)
    torch.manual_seed(0)
    first = changes(augment)
    drawn_after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), drawn_after)  # what others draw is as if nothing had been augmented
    assert not torch.equal(first[0], first[1])
    augment.restart()
    assert torch.equal(changes(augment), first)
    assert torch.equal(
        changes(Augment(named_changes(list(reversed(names)), SIZE), seed=1)), first
    )  # the order is fixed
    assert not torch.equal(changes(Augment(named_changes(names, SIZE), seed=2)), first)


def test_without_kornia_it_is_a_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
    with pytest.raises(UserError, match=r"needs kornia: pip install 'tlbench\[augment\]'"):
        Augment(named_changes(["flip"], SIZE), seed=0)
