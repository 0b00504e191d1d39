"""Counts the parameters and multiply-adds of all models of timm and torchvision: python benchmarks/model_sizes.py.

Writes the tables that `tlbench list backbones` reads, beside the plugins; run it when either library has new models.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tlbench.contracts import ModelSize
from tlbench.errors import UserError
from tlbench.registry.components import Entry
from tlbench.registry.kinds import Registry
from tlbench.registry.model_size import count_model_size, write_model_sizes
from tlbench.registry.plugins import load_plugins

PLUGINS = Path(__file__).parents[1] / "plugins"


def main() -> None:
    """Count, and write a table for each provider."""
    registry = Registry.of(load_plugins())
    tables = {each: PLUGINS / f"tlbench_{each}" / "model_sizes.csv" for each in ("torchvision", "timm")}
    for provider, table in tables.items():
        write_model_sizes(table, {})  # nothing of an older table is read
        found: dict[tuple[str, int], ModelSize] = {}
        for entry in registry.backbones:
            if entry.origin.plugin == provider:
                found |= counted(entry, found)
        write_model_sizes(table, found)


def counted(entry: Entry, known: dict[tuple[str, int], ModelSize]) -> dict[tuple[str, int], ModelSize]:
    """The size of one model by its architecture and image size; nothing where it is known, or can't be counted."""
    if entry.needs_an_option:
        return {}
    try:
        backbone = entry.factory(entry.options())
        key = (entry.name.partition(".")[0], backbone.preprocessing.size)
        if key in known:
            return {}
        size = count_model_size(backbone)
    except UserError as error:
        print(f"{entry.qualified}: {error}", file=sys.stderr)
        return {}
    print(*key, size.parameters, size.multiply_adds, file=sys.stderr, flush=True)
    return {key: size}


if __name__ == "__main__":
    main()
