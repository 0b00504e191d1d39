"""How far training has moved a model from its source: Euclidean, block by block."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable

import torch

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.engine.weights import raw_bytes
from tlbench.results.records import BlockDistance, DistanceRecord

OTHER = "other"


class Start:
    """Tensors as they were at the start, in a file without a name: no part of the memory that a trial takes."""

    def __init__(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self._places: dict[str, tuple[int, torch.Size, torch.dtype]] = {}
        for name, tensor in tensors:
            self._places[name] = self._file.tell(), tensor.shape, tensor.dtype
            self._file.write(raw_bytes(tensor))

    def tensor(self, name: str, shape: torch.Size) -> torch.Tensor | None:
        """One as it was; None where there was none of that name and shape."""
        offset, known, dtype = self._places.get(name, (0, None, torch.float32))
        if known != shape:
            return None
        self._file.seek(offset)
        read = bytearray(self._file.read(known.numel() * dtype.itemsize))
        return torch.frombuffer(read, dtype=dtype).view(shape) if read else torch.empty(shape, dtype=dtype)


@torch.no_grad()
def distance(model: TransferModel, start: Start) -> DistanceRecord:
    """The L2 distance of a model's body from the tensors it started from, and that over their norm.

    Tensors that are new or have another shape are left out.
    """
    names = (path.removeprefix(model.inner) for path in model.block_paths)
    places = dict(zip(names, model.blocks, strict=True))
    moved: dict[str, float] = {}
    length: dict[str, float] = {}
    for name, tensor in model.module.named_parameters():
        before = start.tensor(name.removeprefix(model.inner), tensor.shape)
        if before is None:
            continue
        block = _block(name, places)
        moved[block] = moved.get(block, 0.0) + _norm2(tensor.detach().cpu() - before)
        length[block] = length.get(block, 0.0) + _norm2(before)
    blocks = [
        BlockDistance(name=name, l2=math.sqrt(moved[name]), relative=_relative(moved[name], length[name]))
        for name in (*places, OTHER)
        if name in moved
    ]
    total, norm = sum(moved.values()), sum(length.values())
    return DistanceRecord(l2=math.sqrt(total), relative=_relative(total, norm), blocks=blocks)


def _norm2(tensor: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64)) ** 2


def _block(name: str, places: dict[str, Part]) -> str:
    return next((place for place, part in places.items() if part.holds(name)), OTHER)


def _relative(moved: float, length: float) -> float | None:
    return math.sqrt(moved / length) if length else None
