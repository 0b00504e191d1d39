"""Blocks found from a module tree alone, for backbones that state none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from torch import nn

from tlbench.contracts.backbone import Block

Member = tuple[str, nn.Module]
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
POOLING = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
NO_OUTPUT = (
    *POOLING, nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.dropout._DropoutNd, nn.Flatten, nn.Identity,
)  # fmt: skip
"""Layers behind a block's output: its features are those before pooling and dropout."""


def find(module: nn.Module, heads: Sequence[str]) -> list[Block]:
    """The body's blocks, for a module tree whose children are registered in the order they run.

    Sequences are opened, and so are modules that hold the head or a sequence of equal blocks; any other module with two
    weight matrices or more is a block as a whole, whatever its size, so that no residual branch is split. What lies
    before, between and behind them joins one of them by its place. A network without such modules is a plain one.
    """
    members = list(_members(module, "", heads))
    whole = [Block(path) for path, each in members if _matrices(each) > 1]
    return whole or _plain(members)


def plain(module: nn.Module, heads: Sequence[str]) -> list[Block]:
    """The blocks of a plain network: each convolution or hidden linear layer with the layers without a weight after it.

    Stages end with a pooling.
    """
    return _plain(
        [
            (path, each)
            for path, each in module.named_modules()
            if path and next(each.children(), None) is None and not lies_in(path, heads)
        ]
    )


def has_matrix(module: nn.Module) -> bool:
    """Whether a module has a weight matrix: a parameter of two dimensions or more."""
    return any(parameter.ndim > 1 for parameter in module.parameters())


def output_of(layers: Sequence[Member]) -> str:
    """The path of the layer whose output is that of several in a row: the last but for poolings and dropout."""
    return [path for path, each in layers if not isinstance(each, NO_OUTPUT)][-1]


def lies_in(path: str, roots: Sequence[str]) -> bool:
    """Whether a path is one of the roots, or below one; all are below the empty root."""
    return any(path == root or not root or path.startswith(f"{root}.") for root in roots)


def _members(parent: nn.Module, prefix: str, heads: Sequence[str]) -> Iterator[Member]:
    """The tree's topmost modules that are not opened, without the head."""
    for name, child in parent.named_children():
        path = f"{prefix}{name}"
        if path in heads:
            continue
        holds_head = any(lies_in(head, (path,)) for head in heads)
        if holds_head or type(child) in CONTAINERS or _holds_equal_blocks(child):
            yield from _members(child, f"{path}.", heads)
        elif not (prefix and type(parent) not in CONTAINERS and _holds_equal_blocks(parent)):
            yield path, child  # beside a stage's sequence of blocks is what reduces or normalises


def _holds_equal_blocks(module: nn.Module) -> bool:
    """Whether a module holds a sequence with two blocks of one class, each with two weight matrices or more.

    A stage or an encoder does. A residual block's sequences hold layers, or convolutions with their norms.
    """
    for child in module.children():
        kinds = Counter(type(each) for each in child.children() if _matrices(each) > 1 and type(each) not in CONTAINERS)
        equal = type(child) in CONTAINERS and any(number > 1 for number in kinds.values())
        if equal or _holds_equal_blocks(child):
            return True
    return False


def _matrices(module: nn.Module) -> int:
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _plain(layers: Sequence[Member]) -> list[Block]:
    """The blocks of layers in a row: one with a weight matrix begins a block, the others join the one before."""
    groups: list[list[Member]] = []
    for layer in layers:
        if not groups or (has_matrix(layer[1]) and any(has_matrix(each) for _, each in groups[-1])):
            groups.append([])
        groups[-1].append(layer)
    groups = [group for group in groups if any(has_matrix(each) for _, each in group)]
    pools = [any(isinstance(each, POOLING) for _, each in group) for group in groups]
    stages = [sum(pools[:place]) if any(pools) else place for place in range(len(groups))]
    return [
        Block(output_of(group), tuple(path for path, _ in group), stage=stage)
        for group, stage in zip(groups, stages, strict=True)
    ]
