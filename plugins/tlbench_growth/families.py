"""Which tensor of a small model stands for which of a large one of its family: by block, and by name inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tlbench.contracts import Block
from tlbench.contracts.model import TransferModel
from tlbench.contracts.structure import lies_in
from tlbench.toolkit import counted, listed

NAMED = 3
Key = tuple[int, str]
"""A tensor's place in a block: the number of the module, of those with tensors, and the name inside of it."""


@dataclass(frozen=True)
class Matched:
    """By name in the large model, the small one's tensor; and the large one's tensors that have none.

    `repeated` are the paths of the large model's blocks that have the same counterpart as the one before.
    """

    names: dict[str, str]
    missing: list[str]
    repeated: list[str]


def matched(large: TransferModel, small: TransferModel) -> Matched:
    """The tensors of two models of a family, heads among them, whatever their widths and depths.

    Stage by stage where both have as many stages, else over all blocks: the first block stands for the first, and the
    others are spread evenly.
    """
    names: dict[str, str] = {}
    missing: list[str] = []
    repeated: list[str] = []
    before = None
    for own, other in _blocks(large.layout, small.layout):
        _match(large, own.modules, small, other.modules, names, missing)
        if other is before:
            repeated.append(own.name)
        before = other
    _match(large, large.head_paths, small, small.head_paths, names, missing)
    return Matched(names, missing, repeated)


def why_not(large: TransferModel, small: TransferModel, name: str) -> str | None:
    """Why a model can't be filled from another one, `name`, if so: it is not smaller, or of another family."""
    numbers = [sum(each.numel() for _, each in model.parameters(model.body)) for model in (large, small)]
    if numbers[1] >= numbers[0]:
        return (
            f"{name} has {counted(numbers[1], 'parameter')} without its head, and this model {numbers[0]:,}; "
            f"name a smaller one of its family"
        )
    missing = matched(large, small).missing
    if missing:
        return f"{name} is of another family: it has no counterpart of {listed(missing, NAMED)}"
    return None


def spread(large: int, small: int) -> list[int]:
    """For each of `large` places in a row, its counterpart among `small`: the first's is the first, others evenly."""
    if small == 1 or large == 1:
        return [0] * large
    return [0, *(1 + place * (small - 1) // (large - 1) for place in range(large - 1))]


def _blocks(large: Sequence[Block], small: Sequence[Block]) -> list[tuple[Block, Block]]:
    """The large model's blocks, each with its counterpart."""
    stages, others = _stages(large), _stages(small)
    if len(stages) != len(others):
        stages, others = [list(large)], [list(small)]
    return [
        (block, there[place])
        for own, there in zip(stages, others, strict=True)
        for block, place in zip(own, spread(len(own), len(there)), strict=True)
    ]


def _stages(layout: Sequence[Block]) -> list[list[Block]]:
    return [list(run) for _, run in groupby(layout, key=lambda block: block.stage)]


def _match(
    large: TransferModel,
    own: Sequence[str],
    small: TransferModel,
    other: Sequence[str],
    names: dict[str, str],
    missing: list[str],
) -> None:
    """Match the tensors of some modules of the two; those of other dimensions are no counterparts."""
    theirs = _tensors(small, other)
    state, there = large.module.state_dict(), small.module.state_dict()
    for key, name in _tensors(large, own).items():
        if key in theirs and there[theirs[key]].ndim == state[name].ndim:
            names[name] = theirs[key]
        else:
            missing.append(name)


def _tensors(model: TransferModel, modules: Sequence[str]) -> dict[Key, str]:
    """The tensors of some modules by their places; modules without any are not counted."""
    state = model.module.state_dict()
    found = [(path, [name for name in state if lies_in(name, (path,))]) for path in modules]
    having = [(path, names) for path, names in found if names]
    return {(place, name.removeprefix(path)): name for place, (path, names) in enumerate(having) for name in names}
