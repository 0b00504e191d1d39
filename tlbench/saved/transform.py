"""The preprocessing of a saved model as a torchvision transform, equal to that of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import nn
from torchvision.transforms import v2

from tlbench.data.images import fit, to_rgb
from tlbench.data.levels import Levels
from tlbench.saved.document import SavedPreprocessing


class CentralSquare(nn.Module):
    """Any PIL image or array to the central square of its RGB image, resized: uint8, size×size×3."""

    def __init__(self, wanted: SavedPreprocessing) -> None:
        super().__init__()
        self.size = wanted.image_size
        self.interpolation = wanted.interpolation
        self.levels = None if wanted.levels is None else Levels(*wanted.levels)

    def forward(self, image: PIL.Image.Image | np.ndarray) -> PIL.Image.Image:
        """One image."""
        return PIL.Image.fromarray(fit(to_rgb(image, self.levels), self.size, self.interpolation))

    def extra_repr(self) -> str:
        """Size and interpolation."""
        return f"size={self.size}, interpolation={self.interpolation}"


def transform(wanted: SavedPreprocessing) -> Any:
    """One image to C×S×S floats: its central square, scaled to 0..1 and normalised."""
    return v2.Compose(
        [
            CentralSquare(wanted),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(wanted.mean), list(wanted.std)),
        ]
    )
