"""From a name on the command line ("timm/resnet50", "folder:PATH:val=0.1") to a component with validated options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.suite import Suite
from tlbench.contracts.task import ExtraMetric, Task
from tlbench.contracts.training import MakeAugmentation, MakeOptimizer, Schedule
from tlbench.errors import UserError, nearest
from tlbench.execute.executor import Executor
from tlbench.registry.apart import awaited, guarded
from tlbench.registry.chosen import in_use
from tlbench.registry.components import Component, Entry, Family
from tlbench.registry.given import PLUGIN, entry_of
from tlbench.registry.names import indexed_names
from tlbench.registry.options import parse_options
from tlbench.registry.plugins import Plugins
from tlbench.registry.provenance import Provenance
from tlbench.registry.register import (
    RegisterAugmentation,
    RegisterBackbone,
    RegisterColumn,
    RegisterCommand,
    RegisterDataset,
    RegisterExecutor,
    RegisterFormat,
    RegisterMetric,
    RegisterOptimizer,
    RegisterReporter,
    RegisterSchedule,
    RegisterStrategy,
    RegisterSuite,
    RegisterTask,
    Registrar,
)
from tlbench.results.column import Column
from tlbench.session.reporter import Reporter

T = TypeVar("T")

ORDER = ("torchvision", "packaged", "timm", "builtin", "tasks", "local", "trackers")
"""Where an unqualified name is looked for first; after these, plugins in alphabetical order."""


@dataclass
class Kind(Generic[T]):
    """All components of one kind, by plugin."""

    name: str
    entries: dict[str, dict[str, Entry[T]]] = field(default_factory=dict)
    families: dict[str, list[Family[T]]] = field(default_factory=dict)

    def collect(self, plugins: Plugins, hook: str, registrar: Callable[[str, Provenance], Registrar[T]]) -> None:
        """Call `hook` on each plugin alone; one that raises is noted and skipped."""
        for plugin, caller in plugins.callers(hook):
            register = registrar(self.name, plugins.provenance[plugin])
            with guarded(partial(plugins.fault, plugin, hook)), awaited(plugin, "has been registering"):
                caller(register=register)
                self.entries[plugin] = {entry.name: entry for entry in register.entries}
                self.families[plugin] = register.families

    @property
    def plural(self) -> str:
        """What `tlbench list` calls this kind."""
        return "strategies" if self.name == "strategy" else f"{self.name}s"

    def order(self) -> list[str]:
        """The plugins in the order in which an unqualified name is looked for."""
        rank = {plugin: place for place, plugin in enumerate(ORDER)}
        return sorted(self.entries, key=lambda plugin: (rank.get(plugin, len(rank)), plugin))

    def find(self, name: str) -> Entry[T]:
        """The entry of a qualified or unqualified name; raises UserError with the nearest names."""
        namespace, slash, local = name.rpartition("/")
        if namespace == PLUGIN and namespace not in self.entries:
            raise UserError(
                f"{self.name} {name} was an object of a Python program; call tlbench.run again, with the same objects "
                f"and the run's name"
            )
        if slash and namespace not in self.entries:
            known = ", ".join(self.order())
            raise UserError(
                f"unknown {self.name} {name!r}: no plugin named {namespace!r} has {self.plural}"
                f"{nearest(namespace, self.entries)} (these have: {known}); one that is not installed is given with "
                f"--plugin FILE"
            )
        for plugin in [namespace] if slash else self.order():
            if local in self.entries[plugin]:
                return self.entries[plugin][local]
            for family in self.families[plugin]:
                if local in indexed_names(family):
                    return family.entry(local)
        known_names = [entry.name for entry in self if not slash or entry.origin.plugin == namespace]
        raise UserError(
            f"unknown {self.name} {name!r}{nearest(local, known_names)}; `tlbench list {self.plural}` shows all"
        )

    def __iter__(self) -> Iterator[Entry[T]]:
        for plugin in self.order():
            yield from self.entries[plugin].values()
            for family in self.families[plugin]:
                yield from (family.entry(name) for name in indexed_names(family))

    def resolve(self, spec: str) -> Component[T]:
        """A component of a spec `[plugin/]name[:value][:option=value …]`; raises UserError."""
        head, *rest = spec.split(":")
        entry = self.find(head.strip())
        return Component(entry, parse_options(f"{entry.kind} {entry.qualified}", entry.options, rest))


KINDS: Mapping[str, tuple[str, Callable[[str, Provenance], Registrar[Any]]]] = {
    "backbones": ("backbone", RegisterBackbone),
    "datasets": ("dataset", RegisterDataset),
    "suites": ("suite", RegisterSuite),
    "strategies": ("strategy", RegisterStrategy),
    "tasks": ("task", RegisterTask),
    "metrics": ("metric", RegisterMetric),
    "columns": ("column", RegisterColumn),
    "executors": ("executor", RegisterExecutor),
    "reporters": ("reporter", RegisterReporter),
    "optimizers": ("optimizer", RegisterOptimizer),
    "schedules": ("schedule", RegisterSchedule),
    "augmentations": ("augmentation", RegisterAugmentation),
    "formats": ("format", RegisterFormat),
    "commands": ("command", RegisterCommand),
}
"""By plural, as in the hooks `tlbench_register_…`: what one is called, and what its hook is given."""


@dataclass
class Registry:
    """Every component that the loaded plugins register."""

    plugins: Plugins
    backbones: Kind[Backbone]
    datasets: Kind[Dataset]
    suites: Kind[Suite]
    strategies: Kind[Strategy]
    tasks: Kind[Task]
    metrics: Kind[ExtraMetric]
    columns: Kind[Column]
    executors: Kind[Executor]
    reporters: Kind[Reporter]
    optimizers: Kind[MakeOptimizer]
    schedules: Kind[Schedule]
    augmentations: Kind[MakeAugmentation]
    formats: Kind[Callable[..., Any]]
    commands: Kind[Callable[..., Any]]

    @classmethod
    def of(cls, plugins: Plugins) -> Registry:
        """Ask every plugin for its components."""
        registry = cls(plugins, **{plural: Kind(name) for plural, (name, _) in KINDS.items()})
        for plural, (_, registrar) in KINDS.items():
            registry.of_kind(plural).collect(plugins, f"tlbench_register_{plural}", registrar)
        kinds = {kind.name: kind for kind in (registry.backbones, registry.datasets, registry.strategies)}
        for given in in_use().given:
            kind: Kind[Any] = kinds[given.kind]
            kind.entries.setdefault(PLUGIN, {})[given.name] = entry_of(given)
            kind.families[PLUGIN] = []
        return registry

    def of_kind(self, plural: str) -> Kind[Any]:
        """The components of a kind, as `tlbench list` calls it."""
        kind: Kind[Any] = getattr(self, plural)
        return kind

    def qualified_backbone(self, spec: str) -> str:
        """The canonical name of a backbone; raises UserError where it is unknown."""
        return self.backbones.resolve(spec).ref

    def metrics_of(self, task: str) -> list[ExtraMetric]:
        """What plugins add to a task, which is given by its qualified name."""
        names = (task, task.rpartition("/")[2])
        made = (Component(entry, entry.options()).load() for entry in self.metrics)
        return [each for each in made if any(name in names for name in each.tasks)]

    def own_columns(self, without: Collection[str]) -> list[Column]:
        """The columns that plugins add to reports, but for those of some plugins."""
        entries = (entry for entry in self.columns if entry.origin.plugin not in without)
        return [Component(entry, entry.options()).load() for entry in entries]
