"""A backbone for images of other channels, or of another normalisation, than its weights were trained on."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial

from tlbench.contracts.backbone import Backbone, Preprocessing
from tlbench.errors import BackboneError


def with_channels(backbone: Backbone, channels: int) -> Backbone:
    """The same backbone for images of so many channels; raises BackboneError where it can't be built for them.

    Their normalisation is the weights': for one channel the mean over RGB, for more the RGB values in turns.
    """
    own = backbone.preprocessing
    if channels == len(own.mean):
        return backbone
    if not backbone.any_channels:
        raise BackboneError(f"it takes images of {len(own.mean)} channels, and these have {channels}")
    preprocessing = replace(own, mean=_spread(own.mean, channels), std=_spread(own.std, channels))
    build = partial(backbone.build, channels=channels)
    return replace(backbone, build=build, preprocessing=preprocessing, published=None)


def with_normalisation(backbone: Backbone, mean: tuple[float, ...], std: tuple[float, ...]) -> Backbone:
    """The same backbone fed with images that are normalised otherwise; its published head does not know these."""
    changed: Preprocessing = replace(backbone.preprocessing, mean=mean, std=std)
    return backbone if changed == backbone.preprocessing else replace(backbone, preprocessing=changed, published=None)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if channels == 1:
        return (statistics.fmean(values),)
    return tuple(values[place % len(values)] for place in range(channels))
