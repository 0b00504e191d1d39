"""What a plugin is named by, and which of its components are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from tlbench.contracts.backbone import ModelSize
from tlbench.errors import UserError, nearest
from tlbench.registry.apart import kept_apart
from tlbench.registry.chosen import GROUP, Chosen, in_use, using
from tlbench.registry.components import Component, Entry, Family
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.local import is_module, name_of
from tlbench.registry.names import indexed_names
from tlbench.testing.kit.checks import CheckResult
from tlbench.testing.kit.subject import Subject, kinds_of, registry_of, with_plugin
from tlbench.words import listed

MOST_PARAMETERS = 100_000_000
"""Of the member of a family that is checked where none is named."""
MOST_TRIED = 100


@dataclass(frozen=True)
class Asked:
    """The plugins that are to be checked, by name, those that are loaded beside them, and the components named."""

    given: str
    plugins: tuple[str, ...]
    chosen: Chosen
    only: tuple[str, ...] = ()


def asked_for(given: str, only: Sequence[str] = ()) -> Asked:
    """The plugins of a file, a module, a distribution or a plugin's name; raises UserError where there are none.

    tlbench's own plugins are loaded beside them, and no others.
    """
    if given.endswith(".py") or "/" in given or "\\" in given:
        return _local(given, only)
    points = [point for point in entry_points(group=GROUP) if point.dist is not None]
    named = [point for point in points if given in (point.name, point.dist.name if point.dist else "")]
    if named:
        distributions = tuple(dict.fromkeys(point.dist.name for point in named if point.dist is not None))
        chosen = dataclasses.replace(in_use(), distributions=distributions)
        return Asked(given, tuple(dict.fromkeys(point.name for point in named)), chosen, tuple(only))
    if is_module(given):
        return _local(given, only)
    known = {name for point in points for name in (point.name, point.dist.name if point.dist else "")}
    raise UserError(
        f"there is no installed plugin and no module named {given!r}{nearest(given, known)}; a file is given as NAME.py"
    )


def _local(given: str, only: Sequence[str]) -> Asked:
    chosen = with_plugin(given)
    return Asked(given, (name_of(chosen.local[-1]),), chosen, tuple(only))


def components_of(asked: Asked) -> Iterator[Subject | CheckResult]:
    """The components that are to be checked; of one that needs an option, that it is skipped.

    Raises UserError where a component that was asked for by name is no component of these plugins.
    """
    try:
        registry = registry_of(asked.chosen)
    except UserError:  # the plugin can't be loaded: its own checks have said so
        if asked.only:
            raise
        return
    kinds = kinds_of(registry)
    with using(asked.chosen):
        if asked.only:
            named = [_named(each, asked, kinds) for each in asked.only]
            yield from (Subject(each, registry, asked.chosen) for each in named)
            return
        for kind in kinds.values():
            for entry in _entries(kind, asked.plugins):
                yield _subject(entry, registry, asked.chosen)


def _subject(entry: Entry[Any], registry: Registry, chosen: Chosen) -> Subject | CheckResult:
    if not entry.needs_an_option:
        return Subject(Component(entry, entry.options()), registry, chosen)
    needed = next(name for name, field in entry.options.model_fields.items() if field.is_required())
    said = f"it needs its option {needed}; check it by --only {entry.name}:{needed.upper()}"
    return CheckResult("can be made", "skipped", said, entry.kind, entry.qualified)


def _entries(kind: Kind[Any], plugins: Sequence[str]) -> Iterator[Entry[Any]]:
    """All entries of some plugins, and a member of each of their families."""
    for plugin in plugins:
        yield from kind.entries.get(plugin, {}).values()
        yield from (_member(family) for family in kind.families.get(plugin, ()) if indexed_names(family))


def _member(family: Family[Any]) -> Entry[Any]:
    """The first member of a family; of backbones, the first that is no giant."""
    entries = [family.entry(name) for name in indexed_names(family)[:MOST_TRIED]]
    return next((each for each in entries if not _is_giant(each)), entries[0])


def _is_giant(entry: Entry[Any]) -> bool:
    """Whether what an entry makes states more parameters than a check should take; what can't be made is none."""
    try:
        with kept_apart():
            size = getattr(entry.factory(entry.options()), "size", None)
    except Exception:  # its own checks say what is wrong with it
        return False
    return isinstance(size, ModelSize) and size.parameters > MOST_PARAMETERS


def _named(spec: str, asked: Asked, kinds: dict[str, Kind[Any]]) -> Component[Any]:
    """The component of these plugins that a name with options stands for, of whatever kind."""
    name = spec.partition(":")[0]
    for kind in kinds.values():
        for plugin in asked.plugins:
            local = name.removeprefix(f"{plugin}/")
            members = kind.entries.get(plugin, {}).keys() | _members(kind, plugin)
            if local in members:
                return kind.resolve(f"{plugin}/{local}{spec[len(name) :]}")
    known = [
        name
        for kind in kinds.values()
        for plugin in asked.plugins
        for name in (*kind.entries.get(plugin, {}), *sorted(_members(kind, plugin)))
    ]
    has = f"; it has {listed(known)}" if known else ""
    raise UserError(f"--only {spec}: plugin {asked.given} has no component {name!r}{nearest(name, known)}{has}")


def _members(kind: Kind[Any], plugin: str) -> set[str]:
    return {name for family in kind.families.get(plugin, ()) for name in indexed_names(family)}
