"""Prepared splits as batches on the device, and the test split behind a door that opens once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tlbench.contracts import Preprocessing
from tlbench.data.prepare import PreparedDataset
from tlbench.data.resident import resident, take
from tlbench.errors import TestSplitShut


@dataclass(frozen=True)
class Batch:
    """Normalised images N×3×S×S in the model's memory format (or features), and their labels N."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Images:
    """A split as uint8, whole on a GPU where it fits, else memory-mapped, made into batches on the device."""

    def __init__(
        self,
        folder: Path,
        split: str,
        preprocessing: Preprocessing,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        # mode "c" (copy on write): torch wants a writable array and the file must not change
        self._pixels = resident(torch.from_numpy(np.load(folder / f"{split}-images.npy", mmap_mode="c")), device)
        self._labels = torch.from_numpy(np.load(folder / f"{split}-labels.npy"))
        self.indices = torch.from_numpy(np.load(folder / f"{split}-indices.npy"))
        self._mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1) * 255
        self._scale = 1 / (torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1) * 255)
        self._device = device
        self._format = memory_format

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> torch.Tensor:
        """All labels, on the CPU."""
        return self._labels

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places, normalised."""
        pixels = take(self._pixels, chosen, self._device).permute(0, 3, 1, 2)
        images = (pixels.float() - self._mean) * self._scale
        return Batch(images.contiguous(memory_format=self._format), self._labels[chosen].to(self._device))


def epoch_order(number: int, batch_size: int, generator: torch.Generator) -> list[torch.Tensor]:
    """A shuffled epoch as batches of places; a last batch of one image joins the one before.

    BatchNorm can't train on a single image, and dropping it would train on fewer images than the table says.
    """
    batches = list(torch.randperm(number, generator=generator).split(batch_size))  # type: ignore[no-untyped-call]
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def steps_per_epoch(number: int, batch_size: int) -> int:
    """How many batches `epoch_order` makes."""
    full, rest = divmod(number, batch_size)
    return full + (rest > 1 or full == 0)


class TrialData:
    """The splits of one trial. Test stays shut until the last choice is made, and opens once."""

    def __init__(
        self,
        prepared: PreparedDataset,
        preprocessing: Preprocessing,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        self._open = partial(
            Images, prepared.folder, preprocessing=preprocessing, device=device, memory_format=memory_format
        )
        self.train = self._open("train")
        self.val = self._open("val")
        self._test: Literal["shut", "may be opened", "was opened"] = "shut"

    def last_choice_made(self) -> None:
        """Nothing will be trained or chosen any more: test may be opened."""
        self._test = "may be opened"

    def open_test(self) -> Images:
        """The test split; raises TestSplitShut before the last choice was made, and the second time."""
        if self._test != "may be opened":
            raise TestSplitShut(
                "the test split was opened already: a trial looks at it once"
                if self._test == "was opened"
                else "the test split is shut until training has ended and the last choice was made on val"
            )
        self._test = "was opened"
        return self._open("test")
