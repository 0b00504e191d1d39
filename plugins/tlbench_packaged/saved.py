"""A model that an earlier run has saved, as a backbone: its body is what it learned there, its head is new."""

from __future__ import annotations

from tlbench.contracts import Backbone
from tlbench.toolkit import saved_backbone
from tlbench_packaged.saved_options import SavedOptions


def saved(options: SavedOptions) -> Backbone:
    """The backbone of a saved model."""
    return saved_backbone(options.path.expanduser())
