"""A saved model as a backbone: its body is what it has learned, its head is new."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import nn

from tlbench.contracts.backbone import Backbone, Weights
from tlbench.plan.cell import SINGLE_LABEL
from tlbench.saved.body import SavedBody, open_body


def saved_backbone(folder: Path) -> Backbone:
    """The backbone of the saved model in a folder; raises UserError where there is none."""
    body, place = open_body(folder), str(folder.absolute())
    return Backbone(
        build=partial(_build, body),
        head=body.head_paths,
        blocks=lambda _module: body.blocks,
        preprocessing=body.preprocessing,
        weights=Weights(
            name=f"saved/{body.document.trial}@{body.digest}",
            fetch=lambda: None,
            url=place,
            places=(place,),
        ),
        no_decay=body.no_decay,
        published=body.whole if body.document.task.name == SINGLE_LABEL else None,
    )


def _build(body: SavedBody, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """The structure that the strategy left, with what it learned or with random numbers, and a new head."""
    return body.build(num_classes, image_size, with_tensors=pretrained)
