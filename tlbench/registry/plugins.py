"""Discovery of plugins by entry points, with the faults of one kept from the others."""

from __future__ import annotations

import contextlib
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pluggy

from tlbench import hookspecs
from tlbench.contracts import API_VERSION
from tlbench.errors import UserError, nearest
from tlbench.registry.apart import awaited, guarded, kept_apart
from tlbench.registry.chosen import (
    ALL,
    DISABLED_VARIABLE,
    GROUP,
    OF_FOLDER,
    OWN,
    RESERVED,
    Chosen,
    disabled_by_variable,
    in_use,
)
from tlbench.registry.local import import_local, name_of
from tlbench.registry.provenance import Provenance
from tlbench.registry.sources import digest_of_sources

HOOKS = {name for name in vars(hookspecs) if name.startswith("tlbench_")}
SLOW_SECONDS = 1.0
"""Of CPU time: what a plugin that registers factories alone does not take."""


@dataclass(frozen=True)
class Fault:
    """What went wrong in one plugin, at which moment; the traceback is for `--debug`."""

    plugin: str
    moment: str
    message: str
    trace: str = ""

    def __str__(self) -> str:
        return f"plugin {self.plugin} is left out: {self.moment}: {self.message}"


@dataclass
class Plugins:
    """The loaded plugins, those that are disabled, and the faults of those that could not be used."""

    manager: pluggy.PluginManager
    provenance: dict[str, Provenance] = field(default_factory=dict)
    load_seconds: dict[str, float] = field(default_factory=dict)
    disabled: dict[str, Provenance] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, plugin: str, moment: str, error: BaseException) -> None:
        """Note that a plugin raised, and go on without it."""
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.faults.append(Fault(plugin, moment, message, traceback.format_exc()))

    def callers(self, hook: str) -> Iterator[tuple[str, pluggy.HookCaller]]:
        """Each plugin that implements `hook`, with a caller that calls that plugin alone."""
        plugins = dict(self.manager.list_name_plugin())
        for name in self.provenance:
            others = [other for other_name, other in plugins.items() if other_name != name]
            caller = self.manager.subset_hook_caller(hook, remove_plugins=others)
            if caller.get_hookimpls():
                yield name, caller

    def notify(self, hook: str, **arguments: object) -> list[Fault]:
        """Call a life-cycle hook on every plugin; give the faults of those that raised (each said once)."""
        found: list[Fault] = []
        for name, caller in self.callers(hook):
            with guarded(partial(self._note_once, name, hook, found)):
                caller(**arguments)
        return found

    def _note_once(self, name: str, hook: str, found: list[Fault], error: BaseException) -> None:
        if (name, hook) not in {(fault.plugin, fault.moment) for fault in self.faults}:
            self.fault(name, hook, error)
            found.append(self.faults[-1])

    @contextlib.contextmanager
    def around(self, hook: str, tell: Callable[[Fault], object], **arguments: object) -> Iterator[None]:
        """Enter the context managers that plugins give for a hook; one that raises is told of, and the block runs."""

        def blame(name: str, error: BaseException) -> None:
            self.fault(name, hook, error)
            tell(self.faults[-1])

        with contextlib.ExitStack() as entered:
            for name, caller in self.callers(hook):
                with guarded(partial(blame, name)):
                    (manager,) = caller(**arguments)
                    left = manager.__exit__
                    manager.__enter__()
                    entered.callback(_leave, left, partial(blame, name))
            yield


def load_plugins() -> Plugins:
    """Load the plugins in use: those of the entry-point group that are not disabled, and local ones.

    Raises UserError where a disabled name is no plugin's, no plugin is of a named distribution, or a local plugin can't
    be loaded; an installed one that can't is left out, with its fault.
    """
    chosen = in_use()
    manager = pluggy.PluginManager("tlbench")
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    # tlbench's own first: their names are taken
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, not _is_own(point)))
    disabled = _disabled(chosen, points)
    for point in points:
        origin = _provenance(point)
        if point.name in disabled:
            plugins.disabled[point.name] = origin
        elif point.name in plugins.provenance:
            taken = plugins.provenance[point.name]
            if (origin.distribution, origin.version) != (taken.distribution, taken.version):  # else on the path twice
                message = f"the name is taken by the distribution {taken.distribution}"
                plugins.faults.append(Fault(f"{point.name} ({origin.distribution})", "loading", message))
        else:
            _load(plugins, point, origin)
    for local in chosen.local:
        _load_local(plugins, local)
    return plugins


def _disabled(chosen: Chosen, points: list[EntryPoint]) -> set[str]:
    """The names of the installed plugins that are not loaded; raises UserError on unknown names."""
    names = {point.name for point in points}
    by_variable = disabled_by_variable()
    local = {name_of(each) for each in chosen.local} | {OF_FOLDER.removesuffix(".py"), ALL}
    for source, given in (("", chosen.without), (f"${DISABLED_VARIABLE}: ", sorted(by_variable - local))):
        for name in given:
            if name not in names:
                raise UserError(f"{source}there is no plugin named {name!r} to disable{nearest(name, names)}")
    known = {point.dist.name for point in points if point.dist is not None}
    for name in chosen.distributions:
        if name not in known:
            raise UserError(f"--plugins-from {name}: no distribution of that name has plugins{nearest(name, known)}")
    disabled = {*chosen.without, *by_variable}
    if chosen.distributions:
        allowed = {OWN, *chosen.distributions}
        disabled |= {point.name for point in points if point.dist is None or point.dist.name not in allowed}
    if ALL in by_variable:
        disabled |= {point.name for point in points if not _is_own(point)}
    return disabled


def _leave(exit_manager: Callable[..., object], blame: Callable[[BaseException], object]) -> None:
    with guarded(blame):
        exit_manager(None, None, None)


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == OWN


def _load(plugins: Plugins, point: EntryPoint, origin: Provenance) -> None:
    begun = time.process_time()
    try:
        if point.name == RESERVED:
            raise LookupError(f"the name {RESERVED} is reserved for objects of programs; rename the entry point")
        with kept_apart(), awaited(point.name, "has been loading"):
            module = point.load()
        _take(plugins, point.name, module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit is a plugin's fault like any other
        plugins.fault(point.name, "loading", error)
        return
    spent = time.process_time() - begun
    plugins.provenance[point.name] = origin.model_copy(update={"source_digest": digest_of_sources([module])})
    plugins.load_seconds[point.name] = spent
    if spent > SLOW_SECONDS:
        plugins.notes.append(
            f"plugin {point.name} took {spent:.1f} s to load; import what is heavy in the factories that need it"
        )


def _load_local(plugins: Plugins, local: str) -> None:
    """Load a plugin that a person asked for by its file or module: what is wrong with it is to be mended first."""
    name, begun = name_of(local), time.process_time()
    if name == RESERVED:
        raise UserError(f"--plugin {local}: the name {name} is reserved for objects of programs; rename it")
    if taken := plugins.provenance.get(name) or plugins.disabled.get(name):
        raise UserError(f"--plugin {local}: the name {name} is taken by the plugin of {taken.distribution}; rename it")
    try:
        with kept_apart(), awaited(name, "has been loading"):
            module, origin = import_local(local)
        _take(plugins, name, module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        remedy = "; mend it, or give --no-local-plugins" if local.endswith(OF_FOLDER) else ""
        raise UserError(f"plugin {local} can't be loaded: {said}{_line(error, local)}{remedy}") from error
    plugins.provenance[name] = origin
    plugins.load_seconds[name] = time.process_time() - begun


def _line(error: BaseException, file: str) -> str:
    """The last line of a file that an error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {lines[-1]})" if lines else ""


def _take(plugins: Plugins, name: str, module: ModuleType) -> None:
    """Add a module's hooks; raises where it is not made for this tlbench, or implements a hook wrongly."""
    _check_version(module)
    _check_marks(module)
    try:
        with warnings.catch_warnings(record=True) as deprecations:
            warnings.simplefilter("always")
            plugins.manager.register(module, name=name)
        plugins.notes += [f"plugin {name}: {each.message}" for each in deprecations]
        plugins.manager.check_pending()
    except BaseException:
        if plugins.manager.has_plugin(name):
            plugins.manager.unregister(name=name)
        raise


def _check_version(module: object) -> None:
    stated = getattr(module, "tlbench_api", None)
    if stated is None:
        raise LookupError(f"it does not state the hook version it was written for; add `tlbench_api = {API_VERSION}`")
    if not isinstance(stated, int) or isinstance(stated, bool):
        raise LookupError(f"its tlbench_api is {stated!r}, not a number; write `tlbench_api = {API_VERSION}`")
    if stated != API_VERSION:
        raise LookupError(
            f"it was written for version {stated!r} of the hooks and this tlbench speaks version {API_VERSION}; "
            f"install a matching release of either"
        )


def _check_marks(module: object) -> None:
    """Raise LookupError where a function is called like a hook and is not marked as its implementation."""
    for name in HOOKS:
        found = getattr(module, name, None)
        if callable(found) and not hasattr(found, "tlbench_impl"):
            raise LookupError(f"its function {name} is not marked as an implementation; put @tlbench.hookimpl above it")


def _provenance(point: EntryPoint) -> Provenance:
    distribution = point.dist
    if distribution is None:
        return Provenance(plugin=point.name, distribution="unknown", version="unknown")
    return Provenance(plugin=point.name, distribution=distribution.name, version=distribution.version)
