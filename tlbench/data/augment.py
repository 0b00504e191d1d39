"""Training images changed at random: by a stream of chance of their own, and by the changes that a protocol names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tlbench.contracts.training import Change, MakeAugmentation
from tlbench.errors import UserError
from tlbench.plan.choices import AUGMENTATIONS

PADDING_SHARE = 8
"""`pad` adds an eighth of the side all around."""


class Augment:
    """A change of images with a stream of chance of its own.

    So what is drawn for the images depends on nothing else that draws (dropout, say), and is the same for all
    strategies.
    """

    def __init__(self, change: Change, seed: int) -> None:
        self._change = change
        self._seed = seed
        self.restart()

    def restart(self) -> None:
        """Draw from the beginning again."""
        self._states: list[torch.Tensor] | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images changed; the state of chance of the process is left as it was."""
        gpus = [images.device] if images.device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            if self._states is None:
                torch.manual_seed(self._seed)
            else:
                torch.set_rng_state(self._states[0])
                for gpu in gpus:
                    torch.cuda.set_rng_state(self._states[1], gpu)
            images = self._change(images)
            self._states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(gpu) for gpu in gpus)]
        return images.clamp(0, 1)


def named_changes(
    names: Sequence[str], image_size: int, others: Mapping[str, MakeAugmentation] | None = None
) -> Change:
    """Augmentations by name, tlbench's own in a fixed order and then `others`, each image by its own draw.

    They are kornia's, on the batch and its device, or torchvision's. Raises UserError where kornia is not installed.
    """
    changes = [MAKERS[name](_kornia(), image_size) for name in AUGMENTATIONS if name in names]
    changes += [(others or {})[name](image_size) for name in names if name not in AUGMENTATIONS]

    def change(images: torch.Tensor) -> torch.Tensor:
        for each in changes:
            images = each(images)
        return images

    return change


def _kornia() -> Any:
    try:
        import kornia.augmentation
    except ImportError as error:
        raise UserError("--augment needs kornia: pip install 'tlbench[augment]'") from error
    return kornia.augmentation


def _each(name: str) -> Change:
    """torchvision's change of that name, image by image: kornia's draw one operation for the whole batch."""
    from torchvision.transforms import v2

    change = getattr(v2, name)()

    def apply(images: torch.Tensor) -> torch.Tensor:
        changed = [change(each) for each in (255 * images).round().to(torch.uint8)]
        return torch.stack(changed).float() / 255

    return apply


MAKERS: dict[str, Callable[[Any, int], Change]] = {
    "trivial": lambda kornia, size: _each("TrivialAugmentWide"),
    "rand": lambda kornia, size: _each("RandAugment"),
    "crop": lambda kornia, size: kornia.RandomResizedCrop((size, size), scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3)),
    "pad": lambda kornia, size: kornia.RandomCrop(
        (size, size), padding=max(1, size // PADDING_SHARE), padding_mode="reflect"
    ),
    "flip": lambda kornia, size: kornia.RandomHorizontalFlip(p=0.5),
    "colour": lambda kornia, size: kornia.ColorJiggle(0.2, 0.2, 0.2, 0.02, p=0.8),
    "erase": lambda kornia, size: kornia.RandomErasing(p=0.25),
}
"""TrivialAugment (Müller & Hutter 2021); RandAugment, 2 operations of magnitude 9 (Cubuk et al. 2020); a random part of
35 to 100 % of the area, resized; a shift by up to an eighth; left-right; brightness, contrast, saturation and hue; a
rectangle blanked (Zhong et al. 2020)."""
