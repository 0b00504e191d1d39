"""A model that an earlier run has saved, as a backbone: its body is what it learned there, its head is new."""

from __future__ import annotations

from functools import partial

from torch import nn

from tlbench.contracts import Backbone, Preprocessing, Weights
from tlbench.toolkit import SavedBody, open_body
from tlbench_packaged.saved_options import SavedOptions


def saved(options: SavedOptions) -> Backbone:
    """The backbone of a saved model."""
    body = open_body(options.path.expanduser())
    preprocessing = body.document.preprocessing
    return Backbone(
        build=partial(build, body),
        head=body.head_paths,
        blocks=lambda _module: body.blocks,
        preprocessing=Preprocessing(
            mean=preprocessing.mean,
            std=preprocessing.std,
            interpolation=preprocessing.interpolation,
            size=preprocessing.image_size,
        ),
        weights=Weights(
            name=f"saved/{body.document.trial}@{body.digest}",
            fetch=lambda: None,
            url=str(options.path.expanduser().absolute()),
            places=(str(options.path.expanduser().absolute()),),
        ),
        no_decay=body.no_decay,
    )


def build(body: SavedBody, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """The structure that the strategy left, with what it learned or with random numbers, and a new head."""
    return body.build(num_classes, image_size, with_tensors=pretrained)
