"""Prepared splits as batches on the device, and the test split behind a door that opens once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tlbench.contracts.backbone import Preprocessing
from tlbench.contracts.batch import Batch
from tlbench.contracts.dataset import Dataset, Split
from tlbench.data.augment import Augment
from tlbench.data.corrupt import Corrupt
from tlbench.data.decode import span_of_all
from tlbench.data.image_files import image_files_below, split_of
from tlbench.data.pixels import ArrayPixels, FilePixels, Pixels, fetched_ahead
from tlbench.data.prepared import PreparedDataset
from tlbench.data.resident import placed
from tlbench.errors import TestSplitShut


class Images:
    """A split's images made into batches on the device: normalised, and with `augment` changed at random before.

    With several `views`, each is in a batch so many times. Where they are not `labelled`, batches have no labels. With
    a `corruption`, they are corrupted before all else.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: torch.Tensor,
        indices: torch.Tensor,
        preprocessing: Preprocessing,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        self._pixels = pixels
        self.labels = labels
        self._labels = labels.to(device)
        self.indices = indices
        self.augment: Augment | None = None
        self.corruption: Corrupt | None = None
        self.views = 1
        self.labelled = True
        self._mean = torch.tensor(preprocessing.mean, device=device).view(1, -1, 1, 1) * 255
        self._scale = 1 / (torch.tensor(preprocessing.std, device=device).view(1, -1, 1, 1) * 255)
        self._device = device
        self._format = memory_format

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resident_bytes(self) -> int:
        """What the images take of an accelerator's memory, whole and all the time."""
        return self._pixels.resident_bytes

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places."""
        return self._made(self._pixels.fetch(chosen), chosen.to(self._device))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """A batch for each of an order's sets of places; where images stream, they are fetched ahead."""
        here = placed(order, self._device)
        fetched = fetched_ahead(self._pixels, order if self._pixels.device.type == "cpu" else here)
        for pixels, chosen in zip(fetched, here, strict=True):
            yield self._made(pixels, chosen)

    def plain(self) -> Images:
        """The same images as they are."""
        return self.augmented(None)

    def augmented(self, augment: Augment | None, views: int = 1, labelled: bool = True) -> Images:
        """The same images, changed at random; several times each, or without their labels."""
        changed = copy.copy(self)
        changed.augment, changed.views, changed.labelled = augment, views, labelled
        return changed

    def corrupted(self, corruption: Corrupt) -> Images:
        """The same images, corrupted: always in the same way."""
        changed = copy.copy(self)
        changed.corruption = corruption
        return changed

    def relabelled(self, labels: torch.Tensor) -> Images:
        """The same images with other labels."""
        changed = copy.copy(self)
        changed.labels, changed._labels = labels, labels.to(self._device)
        return changed

    def _made(self, pixels: torch.Tensor, chosen: torch.Tensor) -> Batch:
        values = pixels.to(self._device).permute(0, 3, 1, 2).float()
        if self.corruption is not None:
            values = 255 * self.corruption(values / 255, self.indices[chosen.cpu()])
        views = [values if self.augment is None else 255 * self.augment(values / 255) for _ in range(self.views)]
        images = (_joined(views) - self._mean) * self._scale
        labels = _joined([self._labels[chosen]] * self.views) if self.labelled else None
        return Batch(images.contiguous(memory_format=self._format), labels)


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


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
    """The splits of one trial. Test stays shut until the last choice is made, and opens once.

    `source` gives the dataset itself, for images that are decoded when they are needed.
    """

    def __init__(
        self,
        prepared: PreparedDataset,
        preprocessing: Preprocessing,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
        source: Callable[[], Dataset] | None = None,
    ) -> None:
        self._open = partial(
            open_split, prepared, preprocessing=preprocessing, device=device, memory_format=memory_format, source=source
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


def open_split(
    prepared: PreparedDataset,
    split: str,
    *,
    preprocessing: Preprocessing,
    device: torch.device,
    memory_format: torch.memory_format = torch.channels_last,
    source: Callable[[], Dataset] | None = None,
) -> Images:
    """A prepared split: its array, or where there is none, its images in the dataset itself."""
    labels, indices = (np.load(prepared.folder / f"{split}-{part}.npy") for part in ("labels", "indices"))
    file = prepared.folder / f"{split}-images.npy"
    if not prepared.streamed or source is None:
        pixels: Pixels = ArrayPixels(file, device)
    else:
        images: Split = getattr(source(), prepared.origins[split])
        pixels = FilePixels(
            images, indices, prepared.image_size, preprocessing.interpolation, prepared.levels, prepared.channels
        )
    return Images(pixels, torch.from_numpy(labels), torch.from_numpy(indices), preprocessing, device, memory_format)


def batches_below(folder: Path, most: int, like: torch.Tensor, preprocessing: Preprocessing) -> Iterator[Batch]:
    """Images evenly chosen below a folder, in batches of the size, device and layout of `like`; all labels are 0."""
    files = image_files_below(folder).files
    files = [files[place] for place in np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)]
    labels, places = torch.zeros(len(files), dtype=torch.long), torch.arange(len(files))
    split, size = split_of(files, labels.numpy()), like.shape[-1]
    span = span_of_all(split, places.numpy())
    levels = None if span is None else span.levels
    pixels = FilePixels(split, places.numpy(), size, preprocessing.interpolation, levels)
    channels_last = like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = Images(pixels, labels, places, preprocessing, like.device, layout)
    return images.batches(places.split(len(like)))  # type: ignore[no-untyped-call]
