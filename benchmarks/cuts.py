"""Cuts architectures of both providers before their head, and compares the pieces with them: python benchmarks/cuts.py.

Writes benchmarks/results/cuts.json, which tests/engine/test_cut.py checks. Each model has random weights, dropout of
0.5 before its head where the provider has such an option, and images as small as it takes.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from blocks import TIMM, TORCHVISION

from tlbench.contracts import Backbone
from tlbench.contracts.model import TransferModel
from tlbench.engine.cut import NotCuttable, cut
from tlbench.plan.sizes import refusal
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

RESULTS = Path(__file__).parent / "results" / "cuts.json"
SIZES = (64, 128, 224, 256, 299)
EXTRA = ("repghostnet_050", "legacy_seresnet18", "legacy_senet154")
"""Beside the architectures of blocks.py: what drops features by a function in its own forward."""


def main() -> None:
    """Cut, compare, and write the table."""
    registry = Registry.of(load_plugins())
    rows = []
    for provider, names in (("torchvision", TORCHVISION), ("timm", (*TIMM, *EXTRA))):
        for name in names:
            row = {"architecture": name, "provider": provider}
            row |= measured(registry.backbones.resolve(f"{provider}/{name}").load())
            rows.append(row)
            print(*row.values(), file=sys.stderr, flush=True)
    versions = {package: version(package) for package in ("torch", "torchvision", "timm")}
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    RESULTS.write_text(f'{{"versions": {json.dumps(versions)},\n "rows": [\n  {lines}\n]}}\n', "utf-8")


def measured(backbone: Backbone) -> dict[str, Any]:
    """Where a model is cut, and how far its pieces are from it under two seeds; or why it is not cut."""
    size = next(each for each in SIZES if refusal(backbone, each) is None)
    torch.manual_seed(0)
    model = TransferModel(backbone.build(5, image_size=size, pretrained=False), backbone)
    model.reset_head()
    if hasattr(model.module, "drop_rate"):
        model.module.drop_rate = 0.5
    model.train_only(model.head)
    images = torch.randn(4, 3, size, size)
    try:
        pieces = cut(model.module, images, after=model.head_paths)
    except NotCuttable as error:
        return {"size": size, "refused": str(error)}
    with torch.no_grad():
        features = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            features.append(pieces.prefix(images))
        apart = []
        for seed, given in zip((3, 4), features, strict=True):
            torch.manual_seed(seed)
            whole = model.module(images)
            torch.manual_seed(seed)
            apart.append(float((whole - pieces.suffix(given)).abs().max() / whole.abs().max()))
    return {
        "size": size,
        "cut_at": pieces.at,
        "relative_difference": max(apart),
        "features_of_two_seeds_are_equal": torch.equal(*features),
    }


if __name__ == "__main__":
    main()
