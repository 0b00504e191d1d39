"""The tensors that a trial starts from: built, loaded from a file, and identified by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from tlbench.errors import UserError


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file: safetensors, or a pickle that holds tensors only.

    Raises UserError where the file is missing or holds anything else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may raise anything on a file that is none
        first_line = str(error).partition("\n")[0]
        raise UserError(f"weights file {path} can't be read as safetensors or as tensors only: {first_line}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not (isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise UserError(f"weights file {path} does not hold a state dict (names and tensors)")
    return state


def load_body(module: nn.Module, state: dict[str, torch.Tensor], head_paths: tuple[str, ...], source: str) -> None:
    """Copy a state dict into a module; the head only where it has the same classes.

    Raises UserError that names the first tensors which don't fit.
    """
    own = module.state_dict()
    heads = tuple(f"{path}." for path in head_paths)
    wrong = [name for name in own if name not in state and not name.startswith(heads)]
    wrong += [name for name in state if name not in own and not name.startswith(heads)]
    fitting = {name: tensor for name, tensor in state.items() if name in own and tensor.shape == own[name].shape}
    wrong += [name for name in state if name in own and name not in fitting and not name.startswith(heads)]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"the tensors of {source} don't fit the backbone: {', '.join(wrong[:3])}{more}")
    module.load_state_dict(fitting, strict=False)


def load_whole(module: nn.Module, path: Path) -> None:
    """Load a file's state dict into a module, every tensor of both; raises UserError that names what doesn't fit."""
    load_body(module, read_checkpoint(path), (), str(path))


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
