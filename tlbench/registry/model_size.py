"""How large a backbone's model is: counted on tensors without numbers, or read from a table that was counted before."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tlbench.contracts.backbone import Backbone, ModelSize
from tlbench.errors import BackboneError

IMAGENET_CLASSES = 1000
COLUMNS = ("model", "image_size", "parameters", "multiply_adds")


def count_model_size(backbone: Backbone) -> ModelSize:
    """Parameters and multiply-adds of a backbone at its own image size; raises BackboneError where it can't be built.

    A model that computes with its tensors while it is built (RegNet its widths) is built with numbers.
    """
    import torch

    from tlbench.measure.flops import Flops

    problem = ""
    for device in ("meta", "cpu"):
        flops, side = Flops(), backbone.preprocessing.size
        try:
            with torch.device(device), torch.no_grad():
                model = backbone.build(IMAGENET_CLASSES, image_size=side, pretrained=False).eval()
                with flops.counting():
                    model(torch.empty(1, len(backbone.preprocessing.mean), side, side))
        except Exception as error:  # whatever a provider's model raises
            problem = f"{type(error).__name__}: {error}".partition("\n")[0]
            continue
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return ModelSize(parameters, flops.total // 2)
    raise BackboneError(f"its model can't be built and run at {backbone.preprocessing.size} px ({problem})")


@cache
def read_model_sizes(path: Path) -> Mapping[tuple[str, int], ModelSize]:
    """A table of sizes by model and image size, as `write_model_sizes` has written it."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["model"], int(row["image_size"])): ModelSize(int(row["parameters"]), int(row["multiply_adds"]))
            for row in csv.DictReader(file)
        }


def write_model_sizes(path: Path, sizes: Mapping[tuple[str, int], ModelSize]) -> None:
    """Write a table of sizes by model and image size, in the order of the names."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for (model, side), size in sorted(sizes.items()):
            table.writerow((model, side, size.parameters, size.multiply_adds))
