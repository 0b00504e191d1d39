"""How far training has moved a model from its source: Euclidean, block by block."""

from __future__ import annotations

import math

import torch

from tlbench.engine.model import Part, Snapshot, TransferModel
from tlbench.records import BlockDistance, DistanceRecord

OTHER = "other"


def body_tensors(model: TransferModel) -> Snapshot:
    """A copy of the body's parameters on the CPU: where a distance is measured from."""
    return {name: each.detach().cpu().clone() for name, each in model.parameters(model.body)}


@torch.no_grad()
def distance(model: TransferModel, source: Snapshot) -> DistanceRecord:
    """The L2 distance of a model's body from the tensors it started from, and that over their norm.

    Tensors that are new or have another shape are left out.
    """
    places = {min(block.paths, key=len): block for block in model.blocks if block.paths}
    moved: dict[str, float] = {}
    length: dict[str, float] = {}
    for name, tensor in model.module.named_parameters():
        start = source.get(name)
        if start is None or start.shape != tensor.shape:
            continue
        block = _block(name, places)
        ended = tensor.detach().cpu().double()
        moved[block] = moved.get(block, 0.0) + float((ended - start.double()).square().sum())
        length[block] = length.get(block, 0.0) + float(start.double().square().sum())
    blocks = [
        BlockDistance(name=name, l2=math.sqrt(moved[name]), relative=_relative(moved[name], length[name]))
        for name in (*places, OTHER)
        if name in moved
    ]
    total, norm = sum(moved.values()), sum(length.values())
    return DistanceRecord(l2=math.sqrt(total), relative=_relative(total, norm), blocks=blocks)


def _block(name: str, places: dict[str, Part]) -> str:
    return next((place for place, part in places.items() if part.holds(name)), OTHER)


def _relative(moved: float, length: float) -> float | None:
    return math.sqrt(moved / length) if length else None
