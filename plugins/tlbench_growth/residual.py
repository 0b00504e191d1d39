"""Residual blocks: which layers end their branches, so that a block whose ends give 0 is the identity."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from torch import fx, nn

from tlbench.contracts.model import TransferModel
from tlbench_growth.fresh import redraw
from tlbench_growth.tracing import name_of, path_of, traced

ZERO_STAYS_ZERO = (
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Tanh,
)  # fmt: skip
ZERO_FUNCTIONS = ("mul", "mul_", "relu", "gelu", "silu", "dropout", "stochastic_depth", "permute", "reshape", "view")
ENDS = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
"""Layers that give 0 where their weight and bias are 0."""


def ends_of(block: nn.Module) -> list[str] | None:
    """The layers at the ends of a block's branches; None where something other than its input is passed by them.

    Where these layers give 0, the block gives what it is given; with a ReLU behind the sum, where that is not negative.
    """
    graph = traced(block)
    (output,) = (node for node in graph.nodes if node.op == "output")
    given = next(node for node in graph.nodes if node.op == "placeholder")
    last = output.args[0]
    if not isinstance(last, fx.Node):
        return None
    if name_of(last) in ("relu", "relu_") or _is(last, block, (nn.ReLU, nn.ReLU6)):
        last = last.all_input_nodes[0]
    found = _passed_by(last, given, block)
    return found or None


def copy_as_identity(block: nn.Module) -> nn.Module:
    """A block of the same structure with new numbers, whose branches give 0."""
    new = copy.deepcopy(block)
    for layer in new.modules():
        redraw(layer)
    silence(new, ends_of(new) or ())
    return new


def silence(block: nn.Module, ends: Iterable[str]) -> None:
    """Have some layers of a block give 0."""
    for path in ends:
        end = block.get_submodule(path)
        for tensor in (end.weight, end.bias):
            if isinstance(tensor, nn.Parameter):
                nn.init.zeros_(tensor)


def repeatable(model: TransferModel) -> dict[str, list[str]]:
    """By path, the blocks behind which another of the same structure can be put, and their branches' ends."""
    found = {}
    for block in model.layout:
        parent = model.module.get_submodule(block.name.rpartition(".")[0])
        if type(parent) is nn.Sequential and _is_whole(model, block.name):
            ends = ends_of(model.module.get_submodule(block.name))
            if ends:
                found[block.name] = ends
    return found


def _passed_by(node: fx.Node, given: fx.Node, block: nn.Module) -> list[str] | None:
    """The ends of the branches where a node is the given tensor and what branches add to it; None where it is not."""
    if node is given:
        return []
    if _is(node, block, (nn.Identity,)):
        return _passed_by(node.all_input_nodes[0], given, block)
    operands = node.all_input_nodes
    if name_of(node) not in ("add", "iadd", "add_") or len(operands) != 2:
        return None
    for stays, added in (operands, operands[::-1]):
        before, end = _passed_by(stays, given, block), _end(added, block)
        if before is not None and end is not None:
            return [*before, end]
    return None


def _end(node: fx.Node, block: nn.Module) -> str | None:
    """The last layer of a branch; None where another value than 0 may come of its 0."""
    path = path_of(node)
    if path is None:
        zero = name_of(node) in ZERO_FUNCTIONS and node.all_input_nodes
        return _end(node.all_input_nodes[0], block) if zero else None
    layer = block.get_submodule(path)
    if isinstance(layer, ENDS):
        behind = getattr(layer, "act", None)  # timm has norms with an activation
        has_weight = isinstance(layer.weight, nn.Parameter)
        return path if has_weight and (behind is None or isinstance(behind, ZERO_STAYS_ZERO)) else None
    return _end(node.all_input_nodes[0], block) if isinstance(layer, ZERO_STAYS_ZERO) else None


def _is(node: fx.Node, block: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    path = path_of(node)
    return path is not None and isinstance(block.get_submodule(path), kinds)


def _is_whole(model: TransferModel, path: str) -> bool:
    """Whether a block is a module with layers of its own, and not the last layer of several in a row."""
    return any(model.module.get_submodule(path).children())
