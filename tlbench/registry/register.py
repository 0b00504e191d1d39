"""What the registering hooks are given: it collects names and factories, and calls none of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.options import Options
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.suite import Suite
from tlbench.contracts.task import ExtraMetric, Task
from tlbench.execute.executor import Executor
from tlbench.registry.components import Entry, Family
from tlbench.registry.provenance import Provenance
from tlbench.results.column import Column
from tlbench.session.reporter import Reporter

T = TypeVar("T")


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
RegisterTask = RegisterNamed[Task]
RegisterExecutor = RegisterNamed[Executor]
RegisterReporter = RegisterNamed[Reporter]


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


class RegisterSuite(Registrar[Suite]):
    """Registers suites of datasets."""

    def __call__(
        self, name: str, members: Sequence[str], *, split: Mapping[str, float] | None = None, summary: str = ""
    ) -> None:
        """Register the suite of some datasets under `name`; each member is given the options of `split`."""
        suite = Suite(tuple(members), dict(split or {}))
        self.add(Entry(self.kind, name, lambda _options: suite, Options, summary, self.origin))


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


class RegisterFunction(Registrar[Callable[..., Any]]):
    """Registers functions by name."""

    def __call__(self, name: str, function: Callable[..., Any], *, summary: str = "") -> None:
        """Register `function` under `name`; its docstring's first line is the summary where none is given."""
        said = summary or (inspect.getdoc(function) or "").partition("\n")[0]
        factory = (lambda _options: function) if callable(function) else function
        self.add(Entry(self.kind, name, factory, Options, said, self.origin))


RegisterOptimizer = RegisterFunction
RegisterSchedule = RegisterFunction
RegisterAugmentation = RegisterFunction
RegisterFormat = RegisterFunction
RegisterCommand = RegisterFunction


class RegisterMetric(Registrar[ExtraMetric]):
    """Registers metrics that are added to tasks."""

    def __call__(self, metric: ExtraMetric) -> None:
        """Register a metric under its own name."""
        if not isinstance(metric, ExtraMetric):
            raise TypeError(f"{metric!r} is a {type(metric).__name__}; a metric is a tlbench.ExtraMetric")
        name, summary = metric.metric.name, metric.metric.description
        self.add(Entry(self.kind, name, lambda _options: metric, Options, summary, self.origin))


class RegisterColumn(Registrar[Column]):
    """Registers columns of reports."""

    def __call__(self, column: Column) -> None:
        """Register a column under its own name."""
        if not isinstance(column, Column):
            raise TypeError(f"{column!r} is a {type(column).__name__}; a column is a tlbench.Column")
        self.add(Entry(self.kind, column.name, lambda _options: column, Options, column.description, self.origin))
