"""Corruptions that a trained model is measured under: their names, and how strong each is at five severities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlbench.errors import UserError

if TYPE_CHECKING:
    from tlbench.data.levels import Levels

SEVERITIES = (1, 2, 3, 4, 5)
PAPER_SIZE = 224
"""Pixels of a side of the images that the paper's strengths are meant for."""
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Corruption:
    """A corruption of Hendrycks & Dietterich (2019, arXiv:1903.12261), as it is computed here.

    `strengths` are those of ImageNet-C at severities 1 to 5, of what `parameter` says. With `in_pixels` they are
    lengths on images of 224 pixels, and scaled with the image. `by` names what computes it, `apart` says in what it is
    not the paper's.
    """

    paper: str
    parameter: str
    strengths: tuple[float, ...]
    by: str
    in_pixels: bool = False
    apart: str = ""

    def at(self, image_size: int) -> tuple[float, ...]:
        """The strengths for images of a size, in severity's order."""
        scale = image_size / PAPER_SIZE if self.in_pixels else 1.0
        return tuple(float(f"{scale * each:.6g}") for each in self.strengths)


CORRUPTIONS = {
    "noise": Corruption(
        "Gaussian noise", "standard deviation", (0.08, 0.12, 0.18, 0.26, 0.38),
        "kornia.augmentation.RandomGaussianNoise",
    ),
    "impulse": Corruption(
        "impulse noise", "share of pixels that become black or white", (0.03, 0.06, 0.09, 0.17, 0.27),
        "kornia.augmentation.RandomSaltAndPepperNoise", apart="all channels of a pixel at once",
    ),
    "blur": Corruption(
        "Gaussian blur", "standard deviation in pixels", (1, 2, 3, 4, 6), "kornia.filters.gaussian_blur2d",
        in_pixels=True,
    ),
    "brightness": Corruption(
        "brightness", "added to the value of HSV", (0.1, 0.2, 0.3, 0.4, 0.5), "kornia.color.rgb_to_hsv"
    ),
    "contrast": Corruption(
        "contrast", "factor of what differs from a channel's mean", (0.4, 0.3, 0.2, 0.1, 0.05),
        "kornia.enhance.adjust_contrast_with_mean_subtraction",
    ),
    "jpeg": Corruption(
        "JPEG", "quality", (25, 18, 15, 10, 7), "kornia.enhance.jpeg_codec_differentiable",
        apart="rounding is approximated by a polynomial",
    ),
    "pixelate": Corruption(
        "pixelate", "share of the side that is left", (0.6, 0.5, 0.4, 0.3, 0.25), "means of blocks"
    ),
}  # fmt: skip
"""By name. Strengths that are no lengths are the paper's at every image size."""
ALL = "all"


def strengths_of(names: tuple[str, ...], image_size: int) -> dict[str, tuple[float, ...]]:
    """By corruption, its strengths at severities 1 to 5 for images of a size."""
    return {name: CORRUPTIONS[name].at(image_size) for name in names}


def check_channels(names: tuple[str, ...], dataset: str, channels: int) -> None:
    """Raise UserError where corruptions are asked for, and a dataset's images are neither grey nor RGB."""
    if names and channels not in CHANNELS:
        raise UserError(
            f"--corruptions {','.join(names)} is for images of 1 or 3 channels, and {dataset} has {channels}; "
            f"run {dataset} without --corruptions"
        )


def check_bits(names: tuple[str, ...], dataset: str, levels: Levels | None) -> None:
    """Raise UserError where corruptions are asked for, and a dataset's images have more than 8 bits (`levels`)."""
    if names and levels is not None:
        raise UserError(
            f"--corruptions {','.join(names)} is for images of 8 bits, and those of {dataset} have more (values from "
            f"{levels}); run {dataset} without --corruptions"
        )
