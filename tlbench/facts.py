"""What a backbone can be chosen by: its size, its images, and what is stated of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tlbench.contracts import Backbone, Weights
from tlbench.model_size import count_model_size
from tlbench.registry import Component, Entry

MOST_COUNTED = 20
"""Models that are counted while a list is made (some tenths of a second each), where their plugin states no size."""

Presence = Literal["present", "to-download", "unknown", "none"]
"""Of published weights on this machine."""


def backbone_facts(entries: Sequence[Entry[Backbone]]) -> list[dict[str, Any]]:
    """The facts of backbones, in their order; where one can't be made, `problem` says why and the rest is None.

    A backbone that needs an option (a folder, a model of the hub) has none before it is given.
    """
    found = [_facts(entry) for entry in entries]
    unstated = [row for row in found if row["backbone"] is not None and row["parameters"] is None]
    for row in unstated if len(unstated) <= MOST_COUNTED else []:
        try:
            size = count_model_size(row["backbone"])
        except Exception as error:  # of a plugin
            row["problem"] = str(error)
        else:
            row |= {"parameters": size.parameters, "multiply_adds": size.multiply_adds}
    return [{name: value for name, value in row.items() if name != "backbone"} for row in found]


def _facts(entry: Entry[Backbone]) -> dict[str, Any]:
    backbone, problem = None, None
    if not any(field.is_required() for field in entry.options.model_fields.values()):
        try:
            backbone = Component(entry, entry.options()).load()
        except Exception as error:  # of a plugin
            problem = f"{type(error).__name__}: {error}".partition("\n")[0]
    size = backbone.size if backbone else None
    weights = backbone.weights if backbone else None
    return {
        "backbone": backbone,
        "parameters": size.parameters if size else None,
        "multiply_adds": size.multiply_adds if size else None,
        "image_size": backbone.preprocessing.size if backbone else None,
        "imagenet_accuracy": weights.imagenet_accuracy if weights else None,
        "licence": (weights.licence if weights else None) or (backbone.licence if backbone else None),
        "weights": presence(weights) if backbone else None,
        "problem": problem,
    }


def presence(weights: Weights | None) -> Presence:
    """Whether published weights lie on this machine; the network is not asked."""
    if weights is None:
        return "none"
    if weights.present is None:
        return "unknown"
    return "present" if weights.present() else "to-download"
