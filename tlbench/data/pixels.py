"""Where a split's pixels come from: an array, on the device or memory-mapped, or files that are decoded when needed."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from tlbench.contracts.backbone import Interpolation
from tlbench.contracts.dataset import Split
from tlbench.data.images import as_channels, fit
from tlbench.data.levels import Levels
from tlbench.data.resident import open_array, resident, stays_in_memory, take

AHEAD = 4
"""Batches that are fetched before they are asked for."""


class Pixels(typing.Protocol):
    """A split's images as uint8, N×S×S×C, on a device; with `streams`, threads had better fetch them ahead of time."""

    streams: bool
    device: torch.device
    resident_bytes: int
    """What they take of an accelerator's memory."""

    def fetch(self, chosen: torch.Tensor) -> torch.Tensor:
        """The images at `chosen` places; may be called from several threads."""


class ArrayPixels:
    """Decoded images in one array: on a CUDA device where they fit, else memory-mapped."""

    def __init__(self, file: Path, device: torch.device) -> None:
        self._values = resident(open_array(file), device)
        self.device = self._values.device
        self.resident_bytes = 0 if self.device.type == "cpu" else self._values.nbytes
        self.streams = self.device.type == "cpu" and not stays_in_memory(self._values.nbytes)

    def fetch(self, chosen: torch.Tensor) -> torch.Tensor:
        """From where they lie."""
        return take(self._values, chosen, self.device)


class FilePixels:
    """Images decoded and resized each time: where an array of all of them would be too large to keep."""

    streams = True
    device = torch.device("cpu")
    resident_bytes = 0

    def __init__(
        self,
        split: Split,
        indices: np.ndarray,
        image_size: int,
        interpolation: Interpolation,
        levels: Levels | None = None,
        channels: int = 3,
    ) -> None:
        self._split = split
        self._indices = indices
        self._size = image_size
        self._interpolation = interpolation
        self._levels = levels
        self._channels = channels

    def fetch(self, chosen: torch.Tensor) -> torch.Tensor:
        """Decoded in the calling thread."""
        images = [
            as_channels(self._split.image(int(self._indices[place])), self._channels, self._levels)
            for place in chosen.tolist()
        ]
        decoded = [fit(each, self._size, self._interpolation) for each in images]
        return torch.from_numpy(np.stack(decoded))


def fetched_ahead(pixels: Pixels, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The images of each batch of an order; where they stream, by threads that are some batches ahead."""
    if not pixels.streams:
        yield from map(pixels.fetch, order)
        return
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        remaining = iter(order)
        waiting: list[Future[torch.Tensor]] = [workers.submit(pixels.fetch, each) for each in islice(remaining, AHEAD)]
        try:
            while waiting:
                images = waiting.pop(0).result()
                waiting += [workers.submit(pixels.fetch, each) for each in islice(remaining, 1)]
                yield images
        finally:
            for each in waiting:
                each.cancel()
