"""What a backbone can be chosen by: its size, its images, and what is stated of its weights.

Making all backbones means importing their providers (seconds), so it happens in a process of its own, and what was
found is kept until a plugin changes. Whether weights lie on this machine is looked up each time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from tlbench.cache import Remembered
from tlbench.contracts.backbone import Backbone
from tlbench.errors import UserError
from tlbench.registry.chosen import Chosen, in_use, using
from tlbench.registry.components import Component, Entry
from tlbench.registry.kinds import Registry
from tlbench.registry.names import safe_environment

MOST_COUNTED = 20
"""Models that are counted (some tenths of a second each) where their plugins state no size."""
PLACES = ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE")
"""Variables that say where providers keep their downloads."""

Presence = Literal["present", "to-download", "unknown", "none"]
"""Of published weights on this machine."""
Facts = dict[str, Any]


def backbone_facts(registry: Registry, entries: Sequence[Entry[Backbone]]) -> list[Facts]:
    """The facts of backbones, in their order; where one can't be made, `problem` says why and the rest is None.

    A backbone that needs an option (a folder, a model of the hub) has none before it is given.
    """
    known = _known(registry)
    return [_with_presence(known[entry.qualified]) for entry in entries]


def _with_presence(facts: Facts) -> Facts:
    shown = {name: value for name, value in facts.items() if name != "places"}
    return shown | {"weights": presence(facts["places"]) if shown["weights"] == "published" else shown["weights"]}


def presence(places: Sequence[str] | None) -> Presence:
    """Whether published weights lie at one of some places (patterns of paths); None is a place not stated."""
    if places is None:
        return "unknown"
    return "present" if any(map(glob, places)) else "to-download"


def _known(registry: Registry) -> dict[str, Facts]:
    """The facts of all backbones: as they were kept, or found now."""
    known = Remembered("facts", _key(registry), TypeAdapter(dict[str, Facts]))
    return known.or_else(lambda: _ask(registry))


def _key(registry: Registry) -> str:
    """All that the facts depend on: the plugins' releases and files, and where providers keep their downloads."""
    plugins = [(*origin.model_dump().values(), _changed(registry, name)) for name, origin in _origins(registry)]
    families = [(each.origin.plugin, each.version) for group in registry.backbones.families.values() for each in group]
    return json.dumps([plugins, families, [os.environ.get(name) for name in PLACES]], default=str)


def _origins(registry: Registry) -> list[tuple[str, Any]]:
    return sorted(registry.plugins.provenance.items())


def _changed(registry: Registry, plugin: str) -> float:
    """When a file of a plugin's package was changed last."""
    module = registry.plugins.manager.get_plugin(plugin)
    spec = importlib.util.find_spec(getattr(module, "__name__", ""))
    if spec is None or spec.origin is None:
        return 0.0
    file = Path(spec.origin)
    files = [file, *file.parent.rglob("*")] if file.name == "__init__.py" else [file]
    return max(each.stat().st_mtime for each in files)


def _ask(registry: Registry) -> dict[str, Facts]:
    command = [sys.executable, "-m", "tlbench.registry.facts", in_use().to_json()]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=safe_environment())
    if answer.returncode:
        raise UserError(f"the backbones can't be described: {answer.stderr.strip().rpartition(chr(10))[2]}")
    known: dict[str, Facts] = json.loads(answer.stdout.rpartition("\n")[2])
    return known


def find_facts(entries: Sequence[Entry[Backbone]]) -> dict[str, Facts]:
    """The facts of backbones by their qualified names, without presence; they are made here."""
    from tlbench.registry.model_size import count_model_size

    found = {entry.qualified: _facts(entry) for entry in entries}
    made = {name: backbone for name, (_, backbone) in found.items() if backbone is not None and backbone.size is None}
    for name, backbone in made.items() if len(made) <= MOST_COUNTED else ():
        facts, _ = found[name]
        try:
            size = count_model_size(backbone)
        except Exception as error:  # of a plugin
            facts["problem"] = str(error)
        else:
            facts |= {"parameters": size.parameters, "multiply_adds": size.multiply_adds}
    return {name: facts for name, (facts, _) in found.items()}


def _facts(entry: Entry[Backbone]) -> tuple[Facts, Backbone | None]:
    backbone, problem = None, None
    if not entry.needs_an_option:
        try:
            backbone = Component(entry, entry.options()).load()
        except BaseException as error:  # sys.exit is a plugin's fault like any other
            problem = f"{type(error).__name__}: {error}".partition("\n")[0]
    size = backbone.size if backbone else None
    weights = backbone.weights if backbone else None
    return {
        "parameters": size.parameters if size else None,
        "multiply_adds": size.multiply_adds if size else None,
        "image_size": backbone.preprocessing.size if backbone else None,
        "imagenet_accuracy": weights.imagenet_accuracy if weights else None,
        "licence": (weights.licence if weights else None) or (backbone.licence if backbone else None),
        "weights": None if backbone is None else "published" if weights else "none",
        "places": weights.places if weights else None,
        "problem": problem,
    }, backbone


if __name__ == "__main__":
    from tlbench.registry.plugins import load_plugins

    with using(Chosen.of_json(sys.argv[1])):
        sys.stdout.write("\n" + json.dumps(find_facts(list(Registry.of(load_plugins()).backbones))))
