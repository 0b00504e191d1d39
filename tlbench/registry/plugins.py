"""Discovery of plugins by entry points, with the faults of one kept from the others."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points

import pluggy

from tlbench import hookspecs
from tlbench.contracts import API_VERSION
from tlbench.errors import UserError, nearest
from tlbench.registry.apart import guarded, kept_apart
from tlbench.registry.provenance import Provenance

GROUP = "tlbench"
OWN = "tlbench"
HOOKS = {name for name in vars(hookspecs) if name.startswith("tlbench_")}
SLOW_SECONDS = 1.0
"""Of CPU time: what a plugin that registers factories alone does not take."""
BLOCK_VARIABLE = "TLBENCH_BLOCK"


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
    """The loaded plugins, those blocked by name, and the faults of those that could not be used."""

    manager: pluggy.PluginManager
    provenance: dict[str, Provenance] = field(default_factory=dict)
    blocked: dict[str, Provenance] = field(default_factory=dict)
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


def load_plugins(block: Collection[str] = ()) -> Plugins:
    """Load every plugin of the entry-point group but those blocked by name or by $TLBENCH_BLOCK.

    Raises UserError where a blocked name is no plugin's.
    """
    manager = pluggy.PluginManager("tlbench")
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    # tlbench's own first: their names are taken
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, not _is_own(point)))
    names = {point.name for point in points}
    for name in block:
        if name not in names:
            raise UserError(f"there is no plugin named {name!r} to block{nearest(name, names)}")
    by_variable = {each.strip() for each in os.environ.get(BLOCK_VARIABLE, "").split(",")} - {""}
    for name in sorted(by_variable - names):
        raise UserError(f"${BLOCK_VARIABLE}: there is no plugin named {name!r} to block{nearest(name, names)}")
    blocked = {*block, *by_variable}
    for point in points:
        origin = _provenance(point)
        if point.name in blocked:
            plugins.blocked[point.name] = origin
        elif point.name in plugins.provenance:
            if origin != plugins.provenance[point.name]:  # the same distribution may lie on the path twice
                taken = plugins.provenance[point.name].distribution
                message = f"the name is taken by the distribution {taken}"
                plugins.faults.append(Fault(f"{point.name} ({origin.distribution})", "loading", message))
        else:
            _load(plugins, point, origin)
    return plugins


def _leave(exit_manager: Callable[..., object], blame: Callable[[BaseException], object]) -> None:
    with guarded(blame):
        exit_manager(None, None, None)


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == OWN


def _load(plugins: Plugins, point: EntryPoint, origin: Provenance) -> None:
    begun = time.process_time()
    try:
        with kept_apart():
            module = point.load()
        _check_version(module)
        _check_marks(module)
        plugins.manager.register(module, name=point.name)
        plugins.manager.check_pending()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit is a plugin's fault like any other
        plugins.fault(point.name, "loading", error)
        if plugins.manager.has_plugin(point.name):
            plugins.manager.unregister(name=point.name)
    else:
        plugins.provenance[point.name] = origin
        spent = time.process_time() - begun
        if spent > SLOW_SECONDS:
            plugins.notes.append(
                f"plugin {point.name} took {spent:.1f} s to load; import what is heavy in the factories that need it"
            )


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
