"""What a traced piece of a model computes, as a digest: its code, its layers' classes and settings, all its tensors."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import fx, nn

from tlbench.engine.weights import raw_bytes

NOT_SETTINGS = frozenset(vars(nn.Module()))
"""What every module has: its tensors and children are visited by name, its hooks are asked for by themselves."""
PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, torch.memory_format)


def function_digest(piece: fx.GraphModule) -> str:
    """SHA-256 of all that decides what a piece computes.

    These are its graph's code; of every module in it the class, its source and its settings (eps, stride, activation,
    hooks); the source of the functions that it calls; all parameters and buffers, those that are not persistent too.
    Code of PyTorch stands for its version.
    """
    sha = hashlib.sha256(f"{torch.__version__}\n{piece.code}".encode())
    for path, module in piece.named_modules():
        if path and not isinstance(module, fx.GraphModule):
            settings = {name: value for name, value in vars(module).items() if name not in NOT_SETTINGS}
            hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
            sha.update(f"{path} {_named(type(module))} {_described([settings, hooks, module.training], ())}\n".encode())
    for node in piece.graph.nodes:
        if node.op == "call_function":
            sha.update(f"{_named(node.target)}\n".encode())
    tensors = [*piece.named_parameters(remove_duplicate=False), *piece.named_buffers(remove_duplicate=False)]
    for name, tensor in sorted(tensors, key=lambda each: each[0]):
        sha.update(f"{name} {_tensor(tensor)}\n".encode())
    return sha.hexdigest()


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 of a tensor's elements, in their logical order."""
    return hashlib.sha256(raw_bytes(tensor)).hexdigest()


def _tensor(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype} {tensor_digest(tensor)}"


def _described(value: Any, seen: tuple[int, ...]) -> str:
    """A text that is equal for equal settings, in any process."""
    if isinstance(value, PLAIN):
        return repr(value)
    if id(value) in seen:
        return "itself"
    inside = (*seen, id(value))
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_described(key, inside)}: {_described(value[key], inside)}" for key in value) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_described(each, inside) for each in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(_described(each, inside) for each in value)) + "}"
    if isinstance(value, functools.partial):
        return f"partial {_described([value.func, value.args, value.keywords], inside)}"
    if isinstance(value, nn.Module):
        return _named(type(value))  # its own settings stand under its own path
    if callable(value) and hasattr(value, "__qualname__"):
        owner = getattr(value, "__self__", None)
        held = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        bound = [] if owner is None or isinstance(owner, ModuleType | nn.Module) else [owner]
        return f"{_named(value)} {_described([*held, *bound], inside)}"
    fields = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
    return f"{_named(type(value))} {_described(fields | getattr(value, '__dict__', {}), inside)}"


def _named(thing: Any) -> str:
    """A class or function by its qualified name, with the digest of the file it is written in."""
    module = getattr(thing, "__module__", None) or ""
    name = f"{module}.{getattr(thing, '__qualname__', repr(type(thing)))}"
    if not module or module.partition(".")[0] in ("torch", *sys.builtin_module_names):
        return name
    if isinstance(thing, type):
        bases = [base.__module__ for base in thing.__mro__ if not base.__module__.startswith(("torch.", "builtins"))]
        return f"{name} {' '.join(_source(base) for base in bases)}"
    return f"{name} {_source(module)}"


@functools.cache
def _source(module: str) -> str:
    """SHA-256 of the file that a module was loaded from; empty where it has none."""
    try:
        file = inspect.getsourcefile(sys.modules[module])
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
    except (KeyError, TypeError, OSError):
        return ""
