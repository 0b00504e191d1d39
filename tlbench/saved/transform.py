"""The preprocessing of a saved model as a torchvision transform, equal to that of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import nn
from torchvision.transforms import v2

from tlbench.data.images import as_channels, fit
from tlbench.data.levels import Levels
from tlbench.saved.document import SavedPreprocessing


class CentralSquare(nn.Module):
    """Any PIL image or array to its central square of the model's channels, resized: uint8, size×size×C."""

    def __init__(self, wanted: SavedPreprocessing) -> None:
        super().__init__()
        self.size = wanted.image_size
        self.interpolation = wanted.interpolation
        self.channels = len(wanted.mean)
        self.levels = None if wanted.levels is None else Levels(*wanted.levels)

    def forward(self, image: PIL.Image.Image | np.ndarray) -> torch.Tensor:
        """One image, as C×S×S of uint8."""
        fitted = fit(as_channels(image, self.channels, self.levels), self.size, self.interpolation)
        return torch.from_numpy(fitted.copy()).permute(2, 0, 1)

    def extra_repr(self) -> str:
        """Size and interpolation."""
        return f"size={self.size}, interpolation={self.interpolation}"


def transform(wanted: SavedPreprocessing) -> Any:
    """One image to C×S×S floats: its central square, scaled to 0..1 and normalised."""
    return v2.Compose(
        [
            CentralSquare(wanted),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(wanted.mean), list(wanted.std)),
        ]
    )
