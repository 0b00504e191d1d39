"""Predictions of a finished model for images besides val and test; of several that share a body, computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.data.batches import Images
from tlbench.engine.cut import Cut
from tlbench.engine.evaluate import evaluation_batch
from tlbench.engine.feed import Feed, in_order
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting


class HeldFeatures:
    """Features of all images of a split in memory, on the device, as batches."""

    def __init__(self, values: torch.Tensor, labels: torch.Tensor) -> None:
        self._values = values
        self.labels = labels
        self._labels = labels.to(values.device)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places."""
        places = chosen.to(self._values.device)
        return Batch(self._values[places], self._labels[places])

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """A batch for each of an order's sets of places."""
        return map(self.batch, order)


@torch.inference_mode()
def held(module: nn.Module, pieces: Cut, images: Images, setting: Setting) -> Feed:
    """A feed of what is behind a cut of a module, whose features are computed now; nothing of it goes to the cache."""
    module.eval()
    parts = []
    for batch in in_order(images, evaluation_batch(setting.protocol, setting.device)):
        with autocast(setting.device, setting.protocol.precision):
            parts.append(pieces.prefix(batch.images))
    return Feed(HeldFeatures(torch.cat(parts), images.labels), pieces.suffix, pieces.prefix)
