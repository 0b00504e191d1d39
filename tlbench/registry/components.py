"""What is registered, and what becomes of it with options."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.options import Options
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.suite import Suite
from tlbench.contracts.task import Task
from tlbench.errors import UserError
from tlbench.execute.executor import Executor
from tlbench.registry.apart import kept_apart
from tlbench.registry.options import written
from tlbench.registry.provenance import Provenance
from tlbench.session.reporter import Reporter

T = TypeVar("T")
MADE: dict[str, type] = {
    "backbone": Backbone,
    "dataset": Dataset,
    "suite": Suite,
    "strategy": Strategy,
    "task": Task,
    "executor": Executor,
    "reporter": Reporter,
}
"""What the factories of a kind make."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered name, what makes the component, and where it comes from.

    `check` looks at the options cheaply, before anything heavy is imported, and raises UserError. `present` says
    whether what the component needs lies on this machine; None where nothing is ever downloaded.
    """

    kind: str
    name: str
    factory: Callable[[Any], T]
    options: type[Options]
    summary: str
    origin: Provenance
    check: Callable[[Any], object] | None = None
    present: Callable[[Any], bool] | None = None

    @property
    def qualified(self) -> str:
        """The name that is recorded: the plugin's name, a slash, the component's own."""
        return f"{self.origin.plugin}/{self.name}"

    @property
    def needs_an_option(self) -> bool:
        """Whether there is no component of the name alone."""
        return any(field.is_required() for field in self.options.model_fields.values())


@dataclass(frozen=True)
class Family(Generic[T]):
    """Many components of one plugin whose names only the provider can list (at the cost of importing it)."""

    kind: str
    names: Callable[[], Iterable[str]]
    version: str
    factory: Callable[[str, Any], T]
    options: type[Options]
    summary: str
    origin: Provenance

    def entry(self, name: str) -> Entry[T]:
        """The entry of one member."""
        return Entry(
            self.kind,
            name,
            lambda options: self.factory(name, options),
            self.options,
            self.summary,
            self.origin,
        )


@dataclass(frozen=True)
class Component(Generic[T]):
    """An entry with its validated options: what a cell is made of."""

    entry: Entry[T]
    options: Options

    @property
    def ref(self) -> str:
        """The canonical, qualified name with the options that differ from their defaults, in a fixed order."""
        changed = self.options.model_dump(exclude_defaults=True)
        return ":".join([self.entry.qualified, *(f"{key}={written(changed[key])}" for key in sorted(changed))])

    @property
    def resolved(self) -> dict[str, Any]:
        """The values of all options as JSON has them, defaults among them."""
        return self.options.model_dump(mode="json")

    @property
    def local_digest(self) -> str | None:
        """The digest of the plugin's source where the plugin is not installed, and so has no version; else None."""
        return self.entry.origin.source_digest if self.entry.origin.local else None

    @property
    def is_here(self) -> bool:
        """Whether what it needs lies on this machine, so that nothing is downloaded for it."""
        return self.entry.present is None or self.entry.present(self.options)

    def check(self) -> None:
        """Look at the options cheaply; raises UserError."""
        if self.entry.check is not None:
            self.entry.check(self.options)

    def load(self) -> T:
        """Call the plugin's factory."""
        with kept_apart():
            made = self.entry.factory(self.options)
        wanted = MADE.get(self.entry.kind, object)
        if not isinstance(made, wanted):
            origin = self.entry.origin
            raise UserError(
                f"{self.entry.kind} {self.ref} can't be made: plugin {origin.plugin} ({origin.distribution} "
                f"{origin.version}) gave a {type(made).__name__}; its factory must return a tlbench.{wanted.__name__}"
            )
        if isinstance(made, Dataset) and made.fingerprint is not None and self.local_digest is not None:
            # of a plugin that is being written: what was decoded by its earlier source is not taken for it
            return dataclasses.replace(made, fingerprint=f"{made.fingerprint} {self.local_digest}")
        return made
