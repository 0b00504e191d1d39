"""Which statistics images are normalised by: the weights', the dataset's own, or given ones."""

from __future__ import annotations

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.channels import with_normalisation
from tlbench.data.prepared import PreparedDataset
from tlbench.plan.normalisation import parse_statistics

LEAST_DEVIATION = 1e-3
"""Of a channel that is the same in all images: it stays finite."""


def normalised(backbone: Backbone, normalisation: str, data: PreparedDataset) -> Backbone:
    """A backbone fed with images normalised as a protocol says: `weights`, `dataset`, or `MEAN/STD` of each channel."""
    if normalisation == "weights":
        return backbone
    if normalisation == "dataset":
        return with_normalisation(backbone, data.mean, tuple(max(each, LEAST_DEVIATION) for each in data.deviation))
    mean, std = parse_statistics(normalisation)
    return with_normalisation(backbone, _for_each(mean, data.channels), _for_each(std, data.channels))


def _for_each(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values
