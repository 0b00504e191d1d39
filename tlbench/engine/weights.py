"""The tensors that a trial starts from: loaded, judged to be numbers, and identified by their digest."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone
from tlbench.engine.checkpoint import Checkpoint, State, read_checkpoint
from tlbench.errors import UserError
from tlbench.words import counted

NAMED = 3
"""Tensors that a message names; of more, it names the modules that they are in."""
COUNTER = ".num_batches_tracked"
"""BatchNorm's count of batches, which old files lack and nothing here reads."""

Convert = Callable[[State], State]
"""From a file's tensors to a module's, by the provider's own rules."""


def load_file_into(
    module: nn.Module, file: Path, head_paths: tuple[str, ...], convert: Convert | None = None
) -> Checkpoint:
    """Load a file's body into a module, the head only where it has the same classes; gives what was read.

    Raises UserError where the file can't be read, its tensors don't fit, or are not numbers.
    """
    found = read_checkpoint(file).without_prefixes(module.state_dict())
    state = found.state if convert is None else convert(found.state)
    load_body(module, state, head_paths, str(file))
    if odd := not_finite(module):
        raise UserError(f"weights file {file} has values that are infinite or not a number: {_named(odd)}")
    return found


def conversion(backbone: Backbone, image_size: int) -> Convert | None:
    """The backbone's own rules for files, at an image size."""
    convert = backbone.converted
    return None if convert is None else lambda state: convert(state, image_size)


def load_body(module: nn.Module, state: State, head_paths: tuple[str, ...], source: str) -> None:
    """Copy a state dict into a module; the head only where it has the same classes.

    Raises UserError that says which tensors are missing, left over, or of another shape.
    """
    own = module.state_dict()
    heads = tuple(f"{path}." for path in head_paths)
    missing = [name for name in own if name not in state and not name.startswith(heads) and not name.endswith(COUNTER)]
    left_over = [name for name in state if name not in own and not name.startswith(heads)]
    fitting = OrderedDict(
        (name, tensor) for name, tensor in state.items() if name in own and tensor.shape == own[name].shape
    )
    shapes = [
        f"{name} ({_shape(state[name])}, not {_shape(own[name])})"
        for name in state
        if name in own and name not in fitting and not name.startswith(heads)
    ]
    said = [
        f"{what} {_named(names)}"
        for what, names in (("missing:", missing), ("left over:", left_over), ("of another shape:", shapes))
        if names
    ]
    if said:
        raise UserError(f"the tensors of {source} don't fit the backbone; {'; '.join(said)}")
    fitting._metadata = own._metadata  # type: ignore[attr-defined]  # versions by which some modules read their tensors
    module.load_state_dict(fitting, strict=False)


def load_whole(module: nn.Module, path: Path) -> None:
    """Load a file's state dict into a module, every tensor of both; raises UserError that names what doesn't fit."""
    load_file_into(module, path, ())


def not_finite(module: nn.Module) -> list[str]:
    """The names of the tensors that have a value that is infinite or not a number."""
    return [
        name
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def _named(names: Sequence[str]) -> str:
    """A few names; of many, the modules that they are in."""
    if len(names) <= NAMED:
        return ", ".join(names)
    return ", ".join(_by_module(names))


def _by_module(names: Sequence[str]) -> Iterator[str]:
    """`layer4 (30 tensors)`, at the first place where names part."""
    counts: dict[str, int] = {}
    for name in names:
        top = name.partition(" ")[0].partition(".")[0]
        counts[top] = counts.get(top, 0) + 1
    shown = sorted(counts.items(), key=lambda each: -each[1])
    yield from (f"{top} ({counted(number, 'tensor')})" for top, number in shown[:5])
    if len(shown) > 5:
        yield f"and {sum(number for _, number in shown[5:])} more"


def digest(module: nn.Module, head_paths: tuple[str, ...]) -> str:
    """SHA-256 over names, shapes and bytes of all tensors but the head's, in the order of their names."""
    heads = tuple(f"{path}." for path in head_paths)
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if not name.startswith(heads):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(raw_bytes(tensor))
    return sha.hexdigest()


def raw_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor's elements, in their logical order."""
    flat: memoryview = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    return flat
