"""The process that lists the names of a plugin's families: python -m tlbench.registry.list_names KIND PLUGIN CHOSEN."""

from __future__ import annotations

import json
import sys
from typing import Any

from tlbench.registry.chosen import Chosen, using
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins


def _list(kind: str, plugin: str, chosen: str) -> list[str]:
    with using(Chosen.of_json(chosen)):
        registry = Registry.of(load_plugins())
    kinds: dict[str, Any] = {"backbone": registry.backbones, "dataset": registry.datasets}
    return [name for family in kinds[kind].families[plugin] for name in family.names()]


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(_list(*sys.argv[1:])))
