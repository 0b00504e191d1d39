"""The blocks of timm's models: timm's own groups of parameters, corrected where they are not those of the papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from timm.models._manipulate import MATCH_PREV_GROUP, group_with_matcher
from torch import nn

from tlbench.contracts import Block
from tlbench.contracts.structure import CONTAINERS, find, has_matrix, lies_in, plain

APART = (MATCH_PREV_GROUP[0] - 1,)
"""Instead of timm's mark for parameters that join the group before, to tell them from that group's own."""

STEMS = {"InceptionV3": "Conv2d_"}
"""What is a stem in the paper and several groups in timm, by how its names begin."""


def timm_blocks(heads: tuple[str, ...], model: Any) -> Sequence[Block]:
    """The blocks of a model: timm's fine groups, in the stages of its coarse ones.

    Parameters that timm counts to the group before (a final norm, a convolution head) are the last block's neck.
    """
    if type(model).__name__ == "VGG":
        return plain(model, heads)
    if not hasattr(model, "group_matcher"):
        return _staged(model, find(model, heads))
    groups, behind = _groups(model, heads)
    shared = _shared(model)
    blocks = [block for group in groups for block in _blocks(model, group, heads, shared)]
    blocks[0] = replace(blocks[0], name=_last_module(model, blocks[0], shared))
    while len(blocks) > 1 and _matrices(model, blocks[-1]) == 1 < _matrices(model, blocks[-2]):
        behind = [*blocks.pop().modules, *behind]  # a group of one convolution (MobileNetV3's last) is the head's
    blocks[-1] = replace(blocks[-1], neck=tuple(behind))
    return _staged(model, blocks)


def _groups(model: Any, heads: tuple[str, ...]) -> tuple[list[list[str]], list[str]]:
    """The parameters of each group with a weight matrix, by group, and the paths of what lies behind the last group."""
    matcher = model.group_matcher(coarse=False)
    together, apart = _numbers(model, matcher), _numbers(model, _set_apart(matcher))
    members: dict[int, list[str]] = {}
    for name, number in sorted(apart.items(), key=lambda pair: pair[1]):
        members.setdefault(number, []).append(name)
    groups: list[list[str]] = []
    behind: list[str] = []
    waiting: list[str] = []
    before = None
    for names in members.values():
        joins, before = together[names[0]] == before, together[names[0]]
        body = [name for name in names if not lies_in(name, heads)]
        if len(body) < len(names):  # the head's group
            behind += body
        elif joins:
            behind += body  # behind the last group, unless another comes
        elif not any(model.get_parameter(name).ndim > 1 for name in body):
            (groups[-1] if groups else waiting).extend(body)
        elif groups and all(name.startswith(STEMS.get(type(model).__name__, ".")) for name in body):
            groups[0] += body
        else:
            if groups:
                groups[-1] += behind
            groups.append([*waiting, *behind, *body] if not groups else body)
            behind, waiting = [], []
    return groups, _covered(model, behind, heads)


def _set_apart(matcher: Any) -> Any:
    """A matcher that gives groups of their own to parameters that timm lets join the group before."""
    if callable(matcher):

        def moved(name: str) -> Any:
            number = matcher(name)
            return tuple(APART[0] if each == MATCH_PREV_GROUP[0] else each for each in _tuple(number))

        return moved
    return {
        key: [(pattern, APART if mark == MATCH_PREV_GROUP else mark) for pattern, mark in patterns]
        if isinstance(patterns, list | tuple)
        else patterns
        for key, patterns in matcher.items()
    }


def _tuple(number: Any) -> tuple[Any, ...]:
    return tuple(number) if isinstance(number, Iterable) else (number,)


def _numbers(model: Any, matcher: Any) -> dict[str, int]:
    """The number of each parameter's group."""
    numbers: dict[str, int] = group_with_matcher(model.named_parameters(), matcher, reverse=True)
    return numbers


def _blocks(model: nn.Module, names: Sequence[str], heads: tuple[str, ...], shared: frozenset[str]) -> Iterator[Block]:
    """The block of a group of parameters, or the blocks, where timm's group is a stage."""
    paths = _covered(model, names, heads)
    modules = {path: model.get_submodule(path) for path in paths if path not in names}
    for path, module in modules.items():
        members = getattr(module, "blocks", None)
        if type(module).__name__.endswith("Stage") and isinstance(members, nn.Sequential | nn.ModuleList):
            yield from (Block(f"{path}.blocks.{name}") for name, each in members.named_children() if has_matrix(each))
            return  # what else is in the stage joins them by its place
    with_matrix = [path for path, module in modules.items() if has_matrix(module)]
    yield Block(_last(with_matrix or [*modules], shared), tuple(paths))


def _matrices(model: nn.Module, block: Block) -> int:
    """How many weight matrices a block has."""
    return sum(each.ndim > 1 for name, each in model.named_parameters() if lies_in(name, block.modules))


def _last_module(model: nn.Module, stem: Block, shared: frozenset[str]) -> str:
    """The last module of a stem: what the next block is given."""
    names = dict(model.named_parameters())
    return _last([path for path in stem.modules if path not in names], shared)


def _last(paths: Sequence[str], shared: frozenset[str]) -> str:
    """The last of some modules that no other module has, too; the last of all where others have each."""
    return ([path for path in paths if path not in shared] or paths)[-1]


def _shared(model: nn.Module) -> frozenset[str]:
    """The paths of modules that several others have.

    CoaT's position encodings stand beside the blocks that call them: they are no place where a block ends.
    """
    named = list(model.named_modules(remove_duplicate=False))
    owners = Counter(id(module) for _, module in named)
    return frozenset(path for path, module in named if owners[id(module)] > 1)


def _covered(model: nn.Module, names: Sequence[str], heads: tuple[str, ...]) -> list[str]:
    """The topmost modules all of whose parameters are among some, and the names of those outside of such modules."""
    wanted = set(names)
    above = {".".join(parts[:end]) for name in names for parts in [name.split(".")] for end in range(1, len(parts))}

    def expand(module: nn.Module, prefix: str) -> Iterator[str]:
        yield from (name for each, _ in module.named_parameters(recurse=False) if (name := prefix + each) in wanted)
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if path not in above:
                continue
            children = [each for each in child.children() if any(True for _ in each.parameters())]
            sequence = type(child) in CONTAINERS and (len(children) == 1 or type(child) is not nn.Sequential)
            opened = sequence or any(lies_in(head, (path,)) for head in heads)
            if opened or any(f"{path}.{each}" not in wanted for each, _ in child.named_parameters()):
                yield from expand(child, f"{path}.")
            else:
                yield path

    return list(expand(model, ""))


def _staged(model: Any, blocks: Sequence[Block]) -> list[Block]:
    """The blocks with their stages: timm's coarse groups, or, where these are its fine ones, its feature maps.

    A stage ends with a feature map that is larger than the next one. Where none is, each block is a stage.
    """
    keys = _coarse(model, blocks)
    if len(set(keys[1:])) == len(keys[1:]):
        maps = [each for each in getattr(model, "feature_info", None) or [] if isinstance(each, dict)]
        ends = [this["module"] for this, following in pairwise(maps) if this["reduction"] != following["reduction"]]
        places = {place for end in ends if (place := _place(blocks, end))}
        keys = [sum(place > end for end in places) if places else place for place in range(len(blocks))]
    keys = [keys[1], *keys[1:]] if len(keys) > 1 else keys
    return [replace(block, stage=key) for block, key in zip(blocks, keys, strict=True)]


def _coarse(model: Any, blocks: Sequence[Block]) -> list[int]:
    """The number of each block's coarse group; its place where timm has none."""
    try:
        numbers = _numbers(model, model.group_matcher(coarse=True))
    except (AttributeError, AssertionError):
        return list(range(len(blocks)))
    return [next(numbers[name] for name in numbers if lies_in(name, (block.name,))) for block in blocks]


def _place(blocks: Sequence[Block], path: str) -> int | None:
    """The last block that a module is in, or that is in the module."""
    found = [
        place
        for place, block in enumerate(blocks)
        if any(lies_in(path, (each,)) or lies_in(each, (path,)) for each in block.modules)
    ]
    return found[-1] if found else None
