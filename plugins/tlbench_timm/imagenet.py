"""The names of ImageNet-1k's classes, in the order of published heads."""

from __future__ import annotations

from typing import Any

from timm.data.imagenet_info import ImageNetInfo


def imagenet_classes() -> list[tuple[str, ...]]:
    """Of each class, its WordNet identifier (`n01440764`) and its words (`tench`, `Tinca tinca`), as timm has them."""
    info: Any = ImageNetInfo()
    return [(name, *info.label_name_to_description(name).split(", ")) for name in info.label_names()]
