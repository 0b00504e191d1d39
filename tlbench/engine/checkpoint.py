"""State dicts in files that others wrote: read without running code, and unwrapped."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tlbench.errors import UserError
from tlbench.words import counted

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
"""Where training scripts keep a state dict; averaged weights first, as timm reads them."""
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "net.")
"""What DataParallel, torch.compile, Lightning modules and wrappers put before the names of tensors."""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A file's state dict, and which part of the file it is, in words; nothing where it is the whole."""

    state: State
    taken: tuple[str, ...] = ()

    def without_prefixes(self, own: Collection[str]) -> Checkpoint:
        """The state dict without prefixes that keep its names from being a module's own."""
        known, best = set(own), self
        while True:
            behind = [best._within(prefix) for prefix in PREFIXES]
            candidates = [best, *behind, *(each._within(prefix) for each in behind for prefix in PREFIXES)]
            found = max(candidates, key=lambda each: len(known & each.state.keys()))
            if found is best:
                return best
            best = found

    def _within(self, prefix: str) -> Checkpoint:
        inside = OrderedDict(
            (name[len(prefix) :], each) for name, each in self.state.items() if name.startswith(prefix)
        )
        outside = len(self.state) - len(inside)
        left = f", {counted(outside, 'tensor')} outside of it left out" if outside else ""
        return Checkpoint(inside, (*self.taken, f"without the prefix {prefix!r}{left}"))


def read_checkpoint(path: Path) -> Checkpoint:
    """The state dict in a file: safetensors, or a pickle that holds tensors only.

    Raises UserError where the file is missing or holds anything else.
    """
    content, taken = _content(path), []
    while not _is_state(content):
        inside = content if isinstance(content, dict) else {}
        name = next((each for each in WRAPPERS if isinstance(inside.get(each), dict)), None)
        if name is None:
            keys = f"; it has {', '.join(map(repr, list(inside)[:5]))}" if inside else ""
            raise UserError(f"weights file {path} does not hold a state dict (names and tensors){keys}")
        content = inside[name]
        taken.append(repr(name))
    return Checkpoint(content, tuple(taken))


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(torch.is_tensor(each) for each in content.values())


def _content(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may raise anything on a file that is none
        if classes := re.findall(r"GLOBAL ([\w.]+)", str(error)):
            raise UserError(
                f"weights file {path} holds Python objects ({classes[0]}), not tensors only, and can't be read without "
                f"running code; save its state dict: torch.save(model.state_dict(), FILE)"
            ) from error
        first_line = str(error).partition("\n")[0]
        why = f": {first_line}" if any(map(str.isalpha, first_line)) else ""  # a pickle's error may be a number
        raise UserError(f"weights file {path} can't be read as safetensors or as tensors only{why}") from error
