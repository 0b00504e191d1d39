"""The names of a family of components, kept on disk by the provider's version.

Listing timm's or torchvision's models means importing them (seconds), so it happens once for each version, in a
process of its own: the process that parses the command line never imports torch.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from tlbench.cache import Remembered
from tlbench.errors import UserError
from tlbench.registry.chosen import in_use

if TYPE_CHECKING:
    from tlbench.registry.components import Family


def indexed_names(family: Family[Any]) -> tuple[str, ...]:
    """The names of a family's members: from the index on disk, or from the provider where there is none yet."""
    origin = family.origin
    return _indexed(
        family.kind, origin.plugin, f"{family.version} {origin.version}" if origin.local else family.version
    )


@functools.cache
def _indexed(kind: str, plugin: str, version: str) -> tuple[str, ...]:
    known = Remembered("names", [kind, plugin, version], TypeAdapter(tuple[str, ...]))
    names = known.read()
    if names is None:
        names = _ask_provider(kind, plugin)
        if not known.keep(names):
            print(f"tlbench: the index of {plugin}'s names can't be kept in {known.path.parent}", file=sys.stderr)
    return names


def _ask_provider(kind: str, plugin: str) -> tuple[str, ...]:
    command = [sys.executable, "-m", "tlbench.registry.list_names", kind, plugin, in_use().to_json()]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=safe_environment())
    if answer.returncode:
        last = answer.stderr.strip().rpartition("\n")[2]
        raise UserError(f"plugin {plugin} can't list its {kind}s: {last}")
    return tuple(json.loads(answer.stdout.rpartition("\n")[2]))


def safe_environment() -> dict[str, str]:
    """The environment of a Python that imports what this one can, and nothing from the working directory besides."""
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
