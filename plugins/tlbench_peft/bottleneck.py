"""Blocks with an adapter behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part


class Adapter(nn.Module):
    """`h + up(gelu(down(h)))` on N×C×H×W maps or on N×…×C."""

    def __init__(self, channels: int, width: int, maps: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, width, 1) if maps else nn.Linear(channels, width)
        self.up = nn.Conv2d(width, channels, 1) if maps else nn.Linear(width, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """What was given, adapted."""
        adapted: torch.Tensor = given + self.up(F.gelu(self.down(given)))
        return adapted


class Adapted(nn.Module):
    """A block and its adapter."""

    def __init__(self, block: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.block = block
        self.adapter = adapter

    def forward(self, *inputs: Any, **options: Any) -> torch.Tensor:
        """The block's output, adapted."""
        output: torch.Tensor = self.adapter(self.block(*inputs, **options))
        return output


Shapes = dict[str, torch.Size]


def widths_of(model: TransferModel, batches: Iterable[Batch]) -> Shapes:
    """The shapes of what each block gives for the first batch."""
    batch = next(iter(batches))
    with torch.inference_mode(), model.watched(model.block_paths) as given:
        model.module.eval()(batch.images[:1])
    return {path: output.shape for path, output in given.items() if isinstance(output, torch.Tensor)}


def insert(model: TransferModel, shapes: Shapes, width: int) -> None:
    """Put an adapter behind every block."""
    device = next(model.module.parameters()).device
    for path, shape in shapes.items():
        maps = len(shape) == 4
        adapter = Adapter(shape[1] if maps else shape[-1], width, maps).to(device)
        model.module.set_submodule(path, Adapted(model.module.get_submodule(path), adapter))


def insert_as(model: TransferModel, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Put an adapter behind every module that has one by the shapes of saved tensors."""
    end = ".adapter.down.weight"
    for name in (each for each in shapes if each.endswith(end)):
        width, channels, *kernel = shapes[name]
        path = name.removesuffix(end)
        adapted = Adapted(model.module.get_submodule(path), Adapter(channels, width, bool(kernel)))
        model.module.set_submodule(path, adapted)


def adapter_part(model: TransferModel) -> Part:
    """All adapters."""
    return model.below([path for path, module in model.module.named_modules() if isinstance(module, Adapter)])
