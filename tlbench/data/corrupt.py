"""Images corrupted: what is random is drawn for each image by its place in the dataset alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch

from tlbench.contracts.training import Change


class Corrupt:
    """A corruption of one strength, as `tlbench.plan.corruptions` has them by name."""

    def __init__(self, name: str, strength: float) -> None:
        self._name = name
        self._strength = strength

    def __call__(self, images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Images N×C×S×S from 0 to 1, C being 1 or 3, at N places of their dataset; corrupted, of 8 bits again.

        The draw of an image does not depend on the strength, nor on what else is in the batch or drawn in the process.
        """
        changed = COMPUTED[self._name](images, self._strength, places)
        return (255 * changed.clamp(0, 1)).round() / 255


def _noise(images: torch.Tensor, deviation: float, places: torch.Tensor) -> torch.Tensor:
    from kornia.augmentation import RandomGaussianNoise

    return _drawn("noise", RandomGaussianNoise(std=deviation, p=1.0), images, places)


def _impulse(images: torch.Tensor, share: float, places: torch.Tensor) -> torch.Tensor:
    from kornia.augmentation import RandomSaltAndPepperNoise

    change = RandomSaltAndPepperNoise(amount=share, salt_vs_pepper=0.5, p=1.0)
    return _drawn("impulse", change, images, places)


def _drawn(name: str, change: Change, images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Each image changed by itself, on the CPU: so every device, batch size and subset has the same draw for it."""
    changed = []
    with torch.random.fork_rng(devices=[]):
        for image, place in zip(images.cpu(), places.tolist(), strict=True):
            torch.default_generator.manual_seed(_seed(name, place))
            changed.append(change(image[None])[0])
    return torch.stack(changed).to(images.device)


def _seed(name: str, place: int) -> int:
    """A 63-bit seed of an image for one corruption."""
    return int.from_bytes(hashlib.sha256(f"{name}:{place}".encode()).digest()[:8], "big") >> 1


TRUNCATED = 4.0
"""Standard deviations at which a Gaussian kernel ends, as scikit-image's, which the paper uses."""


def _blur(images: torch.Tensor, deviation: float, _places: torch.Tensor) -> torch.Tensor:
    from kornia.filters import gaussian_blur2d

    radius = int(TRUNCATED * deviation + 0.5)
    if radius == 0:
        return images
    side = 2 * radius + 1
    blurred: torch.Tensor = gaussian_blur2d(images, (side, side), (deviation, deviation), border_type="replicate")
    return blurred


def _brightness(images: torch.Tensor, added: float, _places: torch.Tensor) -> torch.Tensor:
    from kornia.color import hsv_to_rgb, rgb_to_hsv

    if images.shape[1] == 1:  # grey is its own value
        return images + added
    hue, saturation, value = rgb_to_hsv(images).unbind(1)
    brighter: torch.Tensor = hsv_to_rgb(torch.stack([hue, saturation, (value + added).clamp(max=1)], 1))
    return brighter


def _contrast(images: torch.Tensor, factor: float, _places: torch.Tensor) -> torch.Tensor:
    """Towards the mean of each channel, as in the paper: kornia has one mean for all, so channels go in as images."""
    from kornia.enhance import adjust_contrast_with_mean_subtraction

    channels = images.flatten(0, 1).unsqueeze(1)
    flatter: torch.Tensor = adjust_contrast_with_mean_subtraction(channels, factor)
    return flatter.view_as(images)


def _jpeg(images: torch.Tensor, quality: float, _places: torch.Tensor) -> torch.Tensor:
    """Grey images as RGB, since kornia's codec has three channels."""
    from kornia.enhance import jpeg_codec_differentiable

    coded: torch.Tensor = jpeg_codec_differentiable(
        images.expand(-1, 3, -1, -1).contiguous(), torch.tensor([quality], device=images.device)
    )
    return coded if images.shape[1] == 3 else coded.mean(1, keepdim=True)


def _pixelate(images: torch.Tensor, share: float, _places: torch.Tensor) -> torch.Tensor:
    """Resized by Pillow's box filter and back, as in the paper: each pixel is the mean of the block that it is in.

    kornia's `area` takes pixels on a border into both blocks; then severity 1 is farther from the image than 2.
    """
    size = images.shape[-1]
    side = max(1, int(size * share))
    block = ((torch.arange(size, device=images.device) + 0.5) * (side / size)).long()
    same = (block[:, None] == block).to(images.dtype)
    mean = same / same.sum(1, keepdim=True)
    return mean @ images @ mean.T


COMPUTED: dict[str, Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]] = {
    "noise": _noise,
    "impulse": _impulse,
    "blur": _blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "jpeg": _jpeg,
    "pixelate": _pixelate,
}
