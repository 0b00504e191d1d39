"""What each plugin is: where it comes from, what it registers, how long it took to load, what is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.provenance import Provenance


def plugin_rows(registry: Registry) -> list[dict[str, Any]]:
    """A row for each plugin: loaded, disabled, or faulty."""
    plugins = registry.plugins
    faults: dict[str, list[str]] = {}
    for fault in plugins.faults:
        faults.setdefault(fault.plugin, []).append(f"{fault.moment}: {fault.message}")
    known = {**plugins.provenance, **plugins.disabled}
    rows = []
    for name in [*known, *(name for name in faults if name not in known)]:
        module = plugins.manager.get_plugin(name)
        rows.append(
            {
                "name": name,
                **_origin(known.get(name)),
                "state": "faulty" if name in faults else "disabled" if name in plugins.disabled else "loaded",
                "api": getattr(module, "tlbench_api", None),
                "registers": _registered(registry, name),
                "load_seconds": plugins.load_seconds.get(name),
                "faults": faults.get(name, []),
            }
        )
    return rows


def _origin(origin: Provenance | None) -> dict[str, Any]:
    if origin is None:
        return {"distribution": "", "version": "", "source_digest": None, "local": False}
    return origin.model_dump(exclude={"plugin"})


def _registered(registry: Registry, plugin: str) -> dict[str, list[str]]:
    """The names of what a plugin registers, by kind; of a family, whose names its provider knows, its summary."""
    found = {}
    for field in fields(registry):
        kind = getattr(registry, field.name)
        if isinstance(kind, Kind) and plugin in kind.entries:
            families = [f"family: {family.summary or family.version}" for family in kind.families[plugin]]
            if names := [*kind.entries[plugin], *families]:
                found[kind.plural] = names
    return found
