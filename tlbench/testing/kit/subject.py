"""What is checked: a component, resolved among the plugins in use, and what was found of it so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from tlbench.errors import UserError
from tlbench.registry.chosen import Chosen, in_use, using
from tlbench.registry.components import MADE, Component
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.local import found_local
from tlbench.registry.plugins import load_plugins
from tlbench.testing.kit.checks import KINDS, CheckResult, Failed, NotApplicable

T = TypeVar("T")


@dataclass(eq=False)
class Subject:
    """A component, the registry that it was found in, and the plugins that it is used with.

    `fault` says why the component can't be made, once that was tried; `results` has those of checks by their names.
    """

    component: Component[Any]
    registry: Registry
    chosen: Chosen
    fault: Exception | None = None
    results: dict[str, CheckResult] = field(default_factory=dict)
    _made: dict[Callable[..., Any], Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the component."""
        return self.component.entry.kind

    @property
    def name(self) -> str:
        """The component's qualified name with its options."""
        return self.component.ref

    def once(self, find: Callable[[Subject], T]) -> T:
        """What a function finds of the subject, which several checks look at; it is called once."""
        if find not in self._made:
            self._made[find] = find(self)
        found: T = self._made[find]
        return found

    def made(self) -> Any:
        """What the component's factory has made; raises NotApplicable where it can't be made."""
        try:
            return self.once(_make)
        except Exception as error:
            self.fault = error
            raise NotApplicable(f"the {self.kind} can't be made") from error


def _make(subject: Subject) -> Any:
    if subject.fault is not None:
        raise subject.fault
    entry, options = subject.component.entry, subject.component.options
    if entry.present is not None and not entry.present(options):
        raise UserError("what it is made of does not lie on this machine, and nothing is downloaded here")
    made, wanted = entry.factory(options), MADE.get(subject.kind, object)
    if not isinstance(made, wanted):
        raise Failed(f"its factory gave a {type(made).__name__}; it must return a tlbench.{wanted.__name__}")
    return made


def with_plugin(plugin: str | None) -> Chosen:
    """The plugins in use, and one more that is not installed: a file or a module; raises UserError where it is none."""
    chosen = in_use()
    if plugin is None:
        return chosen
    return dataclasses.replace(chosen, local=(*chosen.local, *found_local((plugin,), None)))


def registry_of(chosen: Chosen) -> Registry:
    """The components of some plugins, which are loaded once, and again when a file of theirs has changed."""
    files = [Path(each) for each in chosen.local]
    return _registry(chosen, tuple(each.stat().st_mtime_ns if each.is_file() else 0 for each in files))


@lru_cache(maxsize=4)
def _registry(chosen: Chosen, _changed: tuple[int, ...]) -> Registry:
    with using(chosen):
        return Registry.of(load_plugins())


def kinds_of(registry: Registry) -> dict[str, Kind[Any]]:
    """The kinds that the kit checks, by name."""
    kinds: tuple[Kind[Any], ...] = (
        *(registry.backbones, registry.datasets, registry.tasks, registry.strategies),
        *(registry.metrics, registry.reporters, registry.executors),
    )
    return {each.name: each for each in kinds}


def subject_of(kind: str, name: str, chosen: Chosen) -> Subject:
    """The component of a name; raises UserError where there is no such kind or component."""
    if kind not in KINDS:
        raise UserError(f"{kind!r} is no kind of components that are checked; there are: {', '.join(KINDS)}")
    registry = registry_of(chosen)
    for fault in registry.plugins.faults if chosen.local else ():
        if fault.plugin in (each.plugin for each in registry.plugins.provenance.values() if each.local):
            raise UserError(str(fault))
    with using(chosen):
        return Subject(kinds_of(registry)[kind].resolve(name), registry, chosen)
