"""From a name on the command line ("timm/resnet50", "folder:PATH:val=0.1") to a component with validated options."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from tlbench.contracts import Backbone, Dataset, Options, Strategy
from tlbench.errors import UserError, nearest
from tlbench.names import indexed_names
from tlbench.plugins import Plugins, kept_apart
from tlbench.provenance import Provenance

T = TypeVar("T")

NOTHING = "none"
SEVERAL = (tuple, list, set, frozenset)
LIST_SEPARATOR = "+"
"""Between the values of an option that takes several: commas separate components."""
MADE: dict[str, type] = {"backbone": Backbone, "dataset": Dataset, "strategy": Strategy}
"""What the factories of a kind make."""
ORDER = ("torchvision", "packaged", "timm", "builtin")
"""Where an unqualified name is looked for first; after these, plugins in alphabetical order."""


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
        return ":".join([self.entry.qualified, *(f"{key}={_plain(changed[key])}" for key in sorted(changed))])

    @property
    def resolved(self) -> dict[str, Any]:
        """The values of all options as JSON has them, defaults among them."""
        return self.options.model_dump(mode="json")

    def check(self) -> None:
        """Look at the options cheaply; raises UserError."""
        if self.entry.check is not None:
            self.entry.check(self.options)

    def load(self) -> T:
        """Call the plugin's factory."""
        with kept_apart():
            made = self.entry.factory(self.options)
        wanted = MADE[self.entry.kind]
        if not isinstance(made, wanted):
            origin = self.entry.origin
            raise UserError(
                f"{self.entry.kind} {self.ref} can't be made: plugin {origin.plugin} ({origin.distribution} "
                f"{origin.version}) gave a {type(made).__name__}; its factory must return a tlbench.{wanted.__name__}"
            )
        return made


def _check_options(of: str, options: object) -> None:
    """Raise TypeError or ValueError where options are no class of options, or a default is not of its own type."""
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise TypeError(f"the options of the {of} are {options!r}; they must be a class derived from tlbench.Options")
    fields = options.model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}
    try:
        options.model_validate(defaults)
    except ValidationError as error:
        wrong = next((each for each in error.errors() if each["type"] != "missing"), None)
        if wrong is not None and wrong["loc"]:
            name = wrong["loc"][0]
            raise ValueError(
                f"the option {name} of the {of} has a bad default, {wrong['input']!r}: {wrong['msg']}"
            ) from None


class Registrar(Generic[T]):
    """What a registering hook is given: it collects names and factories and calls none of them."""

    def __init__(self, kind: str, origin: Provenance) -> None:
        self.kind = kind
        self.origin = origin
        self.entries: list[Entry[T]] = []
        self.families: list[Family[T]] = []

    def add(self, entry: Entry[T]) -> None:
        """Collect one entry."""
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", entry.name):
            raise ValueError(f"{entry.name!r} can't name a {self.kind}: use letters, digits and . _ + -")
        if any(each.name == entry.name for each in self.entries):
            raise ValueError(f"the {self.kind} {entry.name!r} is registered twice")
        if not callable(entry.factory):
            raise TypeError(f"the factory of the {self.kind} {entry.name!r} is {entry.factory!r} and can't be called")
        _check_options(f"{self.kind} {entry.name!r}", entry.options)
        self.entries.append(entry)


class RegisterNamed(Registrar[T]):
    """Registers backbones or datasets by name, singly or as a family."""

    def __call__(
        self,
        name: str,
        factory: Callable[[Any], T],
        *,
        options: type[Options] = Options,
        summary: str = "",
        check: Callable[[Any], object] | None = None,
    ) -> None:
        """Register `factory(options)` under `name`; `check(options)` may refuse bad options cheaply."""
        self.add(Entry(self.kind, name, factory, options, summary, self.origin, check))

    def family(
        self,
        names: Callable[[], Iterable[str]],
        factory: Callable[[str, Any], T],
        *,
        version: str,
        options: type[Options] = Options,
        summary: str = "",
    ) -> None:
        """Register all of `names()`, made by `factory(name, options)`.

        `names` may import the provider: it is called once for each `version` and the answer is kept on disk.
        """
        self.families.append(Family(self.kind, names, version, factory, options, summary, self.origin))


RegisterBackbone = RegisterNamed[Backbone]


class RegisterDataset(RegisterNamed[Dataset]):
    """Registers datasets by name, singly or as a family."""

    def __call__(
        self,
        name: str,
        factory: Callable[[Any], Dataset],
        *,
        options: type[Options] = Options,
        summary: str = "",
        check: Callable[[Any], object] | None = None,
        present: Callable[[Any], bool] | None = None,
    ) -> None:
        """Register `factory(options)` under `name`.

        `check(options)` may refuse bad options cheaply. `present(options)` says whether the files of a dataset that
        downloads lie on this machine: a dry run makes only those that do.
        """
        self.add(Entry(self.kind, name, factory, options, summary, self.origin, check, present))


class RegisterStrategy(Registrar[Strategy]):
    """Registers strategies made with `@tlbench.strategy`."""

    def __call__(self, strategy: Strategy, *, check: Callable[[Any], object] | None = None) -> None:
        """Register `strategy` under its own name; `check(options)` may refuse bad options cheaply."""
        origin = self.origin
        self.add(
            Entry(
                self.kind, strategy.name, lambda _options: strategy, strategy.options, strategy.summary, origin, check
            )
        )


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
            try:
                with kept_apart():
                    caller(register=register)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # sys.exit is a plugin's fault like any other
                plugins.fault(plugin, hook, error)
                continue
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
        if slash and namespace not in self.entries:
            known = ", ".join(self.order())
            raise UserError(
                f"unknown {self.name} {name!r}: no plugin named {namespace!r} has {self.plural}"
                f"{nearest(namespace, self.entries)} (these have: {known})"
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
        return Component(entry, _options(entry, _segments(rest)))


@dataclass
class Registry:
    """Every backbone, dataset and strategy that the loaded plugins register."""

    plugins: Plugins
    backbones: Kind[Backbone]
    datasets: Kind[Dataset]
    strategies: Kind[Strategy]

    @classmethod
    def of(cls, plugins: Plugins) -> Registry:
        """Ask every plugin for its components."""
        registry = cls(plugins, Kind("backbone"), Kind("dataset"), Kind("strategy"))
        registry.backbones.collect(plugins, "tlbench_register_backbones", RegisterBackbone)
        registry.datasets.collect(plugins, "tlbench_register_datasets", RegisterDataset)
        registry.strategies.collect(plugins, "tlbench_register_strategies", RegisterStrategy)
        return registry

    def qualified_backbone(self, spec: str) -> str:
        """The canonical name of a backbone; raises UserError where it is unknown."""
        return self.backbones.resolve(spec).ref


def _segments(parts: list[str]) -> list[str]:
    """Join what a colon inside a value has split: only `name=value` begins a new option after the first."""
    segments: list[str] = []
    for part in parts:
        if segments and not re.match(r"[A-Za-z_]\w*=", part):
            segments[-1] += f":{part}"
        else:
            segments.append(part)
    return segments


def _options(entry: Entry[Any], segments: list[str]) -> Options:
    given: dict[str, str | list[str] | None] = {}
    fields = entry.options.model_fields
    for place, segment in enumerate(segments):
        name, equals, value = segment.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            if name not in fields:
                raise UserError(
                    f"{entry.kind} {entry.qualified} has no option {name!r}{nearest(name, fields)}"
                    f" (it has: {', '.join(fields) or 'none'})"
                )
            if name in given:
                raise UserError(f"option {name} of {entry.kind} {entry.qualified} is given twice")
            given[name] = _value(value, fields[name].annotation)
        else:
            required = next((field for field in fields if fields[field].is_required()), None)
            if place or required is None:
                raise UserError(f"{entry.kind} {entry.qualified}: {segment!r} is not of the form option=value")
            given[required] = segment
    try:
        return entry.options.model_validate(given)
    except ValidationError as error:
        raise UserError(_explain(entry, error)) from None


def _value(text: str, annotation: object) -> str | list[str] | None:
    """What an option is given: several values where it takes several, and nothing for `none` where it may be that."""
    union = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union
    members = typing.get_args(annotation) if union else (annotation,)
    if type(None) in members and text.lower() == NOTHING:
        return None
    several = any(typing.get_origin(each) in SEVERAL or each in SEVERAL for each in members)
    return (text.split(LIST_SEPARATOR) if text else []) if several else text


def _explain(entry: Entry[Any], error: ValidationError) -> str:
    first = error.errors()[0]
    where = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"{entry.kind} {entry.qualified} needs its option {where}: {entry.name}:{where.upper()}"
    if not where:
        return f"{entry.kind} {entry.qualified}: {first['msg'].removeprefix('Value error, ')}"
    wanted = option_type(entry.options, where)
    return (
        f"option {where} of {entry.kind} {entry.qualified} is {wanted} and can't be {first['input']!r}: "
        f"{first['msg'].removeprefix('Value error, ')}"
    )


def option_type(options: type[Options], name: str) -> str:
    """The declared type of an option, as a person reads it."""
    annotation = options.model_fields[name].annotation
    text = getattr(annotation, "__name__", None) if isinstance(annotation, type) else str(annotation)
    return str(text).replace(" | None", "").replace("typing.", "").replace("pathlib.", "")


def _plain(value: object) -> str:
    """A value as it is written in a name, from which it is read again."""
    if value is None:
        return NOTHING
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, SEVERAL):
        return LIST_SEPARATOR.join(_plain(each) for each in value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
