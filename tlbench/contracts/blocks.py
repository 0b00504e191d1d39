"""The blocks of a model: those that its backbone states, or else those found, and with them all of its body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from torch import nn

from tlbench.contracts.backbone import Backbone, Block
from tlbench.contracts.structure import find, has_matrix, lies_in, output_of
from tlbench.errors import BackboneError, nearest


def blocks_of(module: nn.Module, backbone: Backbone) -> list[Block]:
    """A model's blocks from input to output, a partition of its body; raises BackboneError where the backbone is wrong.

    Every module and tensor of the body, but for containers of several blocks, belongs to exactly one block.
    """
    heads = backbone.head_paths
    _check_head(module, heads)
    if backbone.blocks is None:
        stated: Sequence[str | Block] = find(module, heads)
    else:
        stated = _asked(module, backbone)
    blocks = [Block(each) if isinstance(each, str) else each for each in stated]
    _check_blocks(module, heads, blocks)
    return with_stages(_completed(module, heads, blocks)) if blocks else []


def _asked(module: nn.Module, backbone: Backbone) -> Sequence[str | Block]:
    assert backbone.blocks is not None
    try:
        stated = list(backbone.blocks(module))
    except Exception as error:
        raise BackboneError(f"blocks= raises {type(error).__name__}: {error}") from error
    heads = backbone.head_paths
    if not stated and any(not lies_in(name, heads) for name, _ in module.named_parameters()):
        raise BackboneError("blocks= gives no block, and the body has parameters; leave blocks= out to have them found")
    return stated


def _check_head(module: nn.Module, heads: Sequence[str]) -> None:
    known = [path for path, _ in module.named_modules() if path]
    for head in heads:
        if head not in known:
            raise BackboneError(f"head={head!r} names no module{nearest(head, known)}")
    for place, head in enumerate(heads):
        for other in heads[:place]:
            if lies_in(head, (other,)) or lies_in(other, (head,)):
                raise BackboneError(f"head= names {other!r} and {head!r}, which overlap; name each module once")


def _check_blocks(module: nn.Module, heads: Sequence[str], blocks: Sequence[Block]) -> None:
    modules = {path for path, _ in module.named_modules() if path}
    tensors = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    seen: dict[str, str] = {}
    for block in blocks:
        if block.name not in modules:
            raise BackboneError(f"blocks= has {block.name!r}, which names no module{nearest(block.name, modules)}")
        if block.name not in block.modules:
            raise BackboneError(f"blocks= has a block {block.name!r} whose modules= leave {block.name!r} out; add it")
        for path in block.modules:
            if path not in modules and path not in tensors:
                unknown = f"blocks= has {path!r}, which names no module and no tensor"
                raise BackboneError(f"{unknown}{nearest(path, modules | tensors)}")
            for head in heads:
                if lies_in(path, (head,)) or lies_in(head, (path,)):
                    raise BackboneError(
                        f"blocks= has {path!r}, which overlaps the head {head!r}; leave the head out of the blocks"
                    )
            if path in seen:
                raise BackboneError(f"blocks= has {path!r} twice; name each block once")
            seen[path] = block.name
        if block.neck and block is not blocks[-1]:
            raise BackboneError(f"blocks= gives the block {block.name!r} a neck, which only the last block can have")
    for path in seen:
        outer = next((parent for parent in _parents(path) if parent in seen), None)
        if outer is not None:
            raise BackboneError(f"blocks= has {outer!r} and {path!r}, which overlap; name one of them")


def _completed(module: nn.Module, heads: Sequence[str], blocks: Sequence[Block]) -> list[Block]:
    """The blocks with what belongs to none of them: each loose module and tensor joins one by its place."""
    owner = {path: place for place, block in enumerate(blocks) for path in block.modules}
    opened = {parent for path in (*owner, *heads) for parent in _parents(path)}
    joining: list[list[str]] = [[] for _ in blocks]
    stem: list[str] = []
    loose: list[str] = []
    last: int | None = None
    for path in _in_order(module, "", opened, {*owner, *heads}):
        if path in heads:
            continue
        place = owner.get(path)
        if place is None:
            if last is None or loose or _has_parameters(module, path):
                loose.append(path)
            else:
                joining[last].append(path)  # an activation, a pooling, a dropout
            continue
        before = [] if last is not None else [each for each in loose if _in_trunk(each, blocks)]
        if any(has_matrix(module.get_submodule(each)) for each in before):
            stem, loose = before, [each for each in loose if each not in before]
        for each in loose:
            ends = last is not None and not lies_in(path, (each.rpartition(".")[0],))
            norm_of_stage = ends and not has_matrix(module.get_submodule(each))
            joining[last if norm_of_stage and last is not None else place].append(each)
        loose, last = [], place
    complete = [
        replace(block, modules=(*block.modules, *joined)) for block, joined in zip(blocks, joining, strict=True)
    ]
    complete[-1] = replace(complete[-1], modules=(*complete[-1].modules, *loose), neck=(*complete[-1].neck, *loose))
    first = (complete[0].name, *joining[0])
    if next(module.get_submodule(first[0]).children(), None) is None:  # a stem of layers gives what their last one does
        name = output_of([(each, module.get_submodule(each)) for each in first])
        complete[0] = replace(complete[0], name=name)
    if stem:
        name = output_of([(each, module.get_submodule(each)) for each in stem])
        complete.insert(0, Block(name, tuple(stem), stage=complete[0].stage))
    named = (*module.named_parameters(), *module.named_buffers(), *module.named_modules())
    order = {path: place for place, (path, _) in enumerate(named)}
    return [
        replace(block, modules=tuple(sorted(block.modules, key=lambda path: order.get(path, -1))))
        for block in _with_tensors(module, complete, opened)
    ]


def _with_tensors(module: nn.Module, blocks: list[Block], opened: Iterable[str]) -> list[Block]:
    """The blocks with the tensors that containers own: those of the trunk are the stem's (class token, positions)."""
    owned = {path for block in blocks for path in block.modules}
    for path in sorted(opened):
        container = module.get_submodule(path)
        own = (*container.named_parameters(recurse=False), *container.named_buffers(recurse=False))
        names = tuple(name for each, _ in own if (name := f"{path}.{each}".lstrip(".")) not in owned)
        inside = [place for place, block in enumerate(blocks) if lies_in(block.name, (path,))]
        if not inside:
            place, neck = len(blocks) - 1, names
        else:
            trunk = len(inside) >= len(blocks) - 1
            place, neck = 0 if trunk else inside[0], ()
        block = blocks[place]
        blocks[place] = replace(block, modules=(*block.modules, *names), neck=(*block.neck, *neck))
    return blocks


def with_stages(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, their stages numbered from 0; where one states none, the blocks of one container are a stage.

    The stem is in the first stage. Where all blocks but the stem are in one container, each is a stage of its own.
    """
    if any(block.stage is None for block in blocks):
        containers = [block.name.rpartition(".")[0] for block in blocks]
        has_stem = len(blocks) > 1 and containers[0] != containers[1]
        rest = containers[1:] if has_stem else containers
        keys: list[str | int | None] = [*range(len(rest))] if len(set(rest)) == 1 else [*rest]
        keys = [keys[0], *keys] if has_stem else keys
    else:
        keys = [block.stage for block in blocks]
    runs = [len(list(run)) for _, run in groupby(keys)]
    numbers = [number for number, length in enumerate(runs) for _ in range(length)]
    return [replace(block, stage=number) for block, number in zip(blocks, numbers, strict=True)]


def _in_order(module: nn.Module, prefix: str, opened: set[str], stops: set[str]) -> Iterator[str]:
    """The topmost modules below containers of blocks, in the order they were registered."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if path in stops or path not in opened:
            yield path
        else:
            yield from _in_order(child, f"{path}.", opened, stops)


def _in_trunk(path: str, blocks: Sequence[Block]) -> bool:
    """Whether a module is beside blocks, or containers of them, that are all in one container."""
    return all(lies_in(block.name, (path.rpartition(".")[0],)) for block in blocks)


def _has_parameters(module: nn.Module, path: str) -> bool:
    return next(module.get_submodule(path).parameters(), None) is not None


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path
