"""The process that a plugin is loaded and registered in: python -m tlbench.testing.kit.probe PLUGIN CHOSEN.

It prints what it found as JSON.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FrameType
from typing import Any

from tlbench.errors import UserError
from tlbench.registry.chosen import Chosen, using
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.plugins import Plugins, load_plugins

HEAVY = ("torch", "torchvision", "timm")
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
MOST_NAMES = 5_000


def probed(plugin: str, chosen: str) -> dict[str, Any]:
    """What loading and registering a plugin imports, takes, raises and registers."""
    with using(Chosen.of_json(chosen)):
        try:
            plugins = load_plugins()
        except UserError as error:
            return {"loading": str(error)}
        loading = [each.message for each in plugins.faults if each.plugin == plugin and each.moment == "loading"]
        if plugin not in plugins.provenance:
            return {"loading": loading[0] if loading else "it is disabled"}
        begun = time.process_time()
        registry = Registry.of(plugins)
        seconds = plugins.load_seconds[plugin] + time.process_time() - begun
        heavy = [name for name in HEAVY if name in sys.modules]
        faults = [f"{each.moment}: {each.message}" for each in plugins.faults if each.plugin == plugin]
        names, raised = _names(registry, plugin)
        return {
            "heavy": heavy,
            "seconds": seconds,
            "faults": [*faults, *raised],
            "registered": sum(len(each.entries.get(plugin, {})) for each in _kinds(registry)) + len(names),
            "hooks": _hooks(plugins, plugin),
            "bad_names": [name for name in names if not NAME.fullmatch(name)],
            "repeated_names": sorted({name for name in names if names.count(name) > 1}) if len(names) < 500 else [],
            "called": _called(plugins, plugin),
        }


def _kinds(registry: Registry) -> list[Kind[Any]]:
    return [each for each in vars(registry).values() if isinstance(each, Kind)]


def _names(registry: Registry, plugin: str) -> tuple[list[str], list[str]]:
    """The names of the members of a plugin's families, and what listing them raised."""
    names: list[str] = []
    raised: list[str] = []
    for kind in _kinds(registry):
        for family in kind.families.get(plugin, ()):
            try:
                names += [str(name) for name in family.names()][:MOST_NAMES]
            except Exception as error:  # of the plugin
                raised.append(f"the names of its family of {kind.plural}: {type(error).__name__}: {error}")
    return names, raised


def _hooks(plugins: Plugins, plugin: str) -> list[str]:
    callers = plugins.manager.get_hookcallers(plugins.manager.get_plugin(plugin)) or []
    return sorted(each.name for each in callers)


def _called(plugins: Plugins, plugin: str) -> list[str]:
    """The components whose factories are called when they are registered once more."""
    with _watched() as codes:
        registry = Registry.of(plugins)
    found = []
    for kind in _kinds(registry):
        for entry in kind.entries.get(plugin, {}).values():
            code = _code(entry.factory)
            if code is not None and code in codes:
                found.append(f"{kind.name} {entry.name}")
    return found


@contextmanager
def _watched() -> Iterator[set[CodeType]]:
    """The code of all functions that are called in this block."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield codes
    finally:
        sys.setprofile(None)


def _code(factory: object) -> CodeType | None:
    function = factory.func if isinstance(factory, partial) else factory
    code: CodeType | None = getattr(function, "__code__", None)
    return code


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(probed(*sys.argv[1:])))
