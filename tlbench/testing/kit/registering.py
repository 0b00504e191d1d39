"""Checks of a plugin: what it costs and what it does to be loaded and registered, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tlbench.contracts import API_VERSION
from tlbench.registry.chosen import Chosen
from tlbench.registry.names import safe_environment
from tlbench.registry.plugins import SLOW_SECONDS
from tlbench.testing.kit.checks import CheckResult, Failed, NotApplicable, check
from tlbench.words import listed

VERSION_WORDS = ("tlbench_api", "hook version", "of the hooks")
"""What the messages of a plugin say that states no version of the hooks, or another one."""


@dataclass
class Registering:
    """A plugin by its name, the plugins that are loaded with it, and the results of checks by their names."""

    name: str
    chosen: Chosen
    results: dict[str, CheckResult] = field(default_factory=dict)

    @cached_property
    def found(self) -> dict[str, Any]:
        """What a process has found that loads and registers the plugin."""
        command = [sys.executable, "-m", "tlbench.testing.kit.probe", self.name, self.chosen.to_json()]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=safe_environment())
        if answer.returncode:
            last = answer.stderr.strip().rpartition("\n")[2]
            return {"loading": f"the process that loads it ended with status {answer.returncode}: {last}"}
        found: dict[str, Any] = json.loads(answer.stdout.rpartition("\n")[2])
        return found

    @property
    def fault(self) -> str | None:
        """Why it can't be loaded."""
        fault: str | None = self.found.get("loading")
        return fault

    def loaded(self) -> dict[str, Any]:
        """What was found of it; raises NotApplicable where it can't be loaded."""
        if self.fault is not None:
            raise NotApplicable("the plugin can't be loaded")
        return self.found


@check("plugin", "states the version of the hooks")
def states_its_version(plugin: Registering) -> None:
    """The module has `tlbench_api`, and it is the version that this tlbench speaks."""
    fault = plugin.fault
    if fault is not None and any(words in fault for words in VERSION_WORDS):
        raise Failed(fault)
    if fault is not None:
        raise NotApplicable("the plugin can't be loaded")


@check("plugin", "can be loaded")
def can_be_loaded(plugin: Registering) -> None:
    """Its module is imported, and every function that is named like a hook is one."""
    fault = plugin.fault
    if fault is not None and any(words in fault for words in VERSION_WORDS):
        raise NotApplicable(f"it states no version of the hooks, tlbench_api = {API_VERSION}")
    if fault is not None:
        raise Failed(f"it can't be loaded: {fault}")


@check("plugin", "registers without an exception")
def no_hook_raises(plugin: Registering) -> None:
    """None of its registering hooks raises, and its families list their names."""
    if faults := plugin.loaded()["faults"]:
        raise Failed(f"it raises when it registers, in {faults[0]}; a hook that raises registers nothing")


@check("plugin", "registers something", needs=["registers without an exception"])
def registers_something(plugin: Registering) -> None:
    """It registers a component, or implements a hook of a run's life."""
    found = plugin.loaded()
    life = [name for name in found["hooks"] if not name.startswith("tlbench_register_")]
    if not found["registered"] and not life:
        raise Failed("it registers nothing; implement a hook of tlbench/hookspecs.py under @tlbench.hookimpl")


@check("plugin", "imports nothing heavy to register")
def imports_nothing_heavy(plugin: Registering) -> None:
    """Loading and registering it imports neither torch nor torchvision nor timm, which take seconds."""
    if heavy := plugin.loaded()["heavy"]:
        raise Failed(f"registering it imports {listed(heavy)}; import them inside of the factories that need them")


@check("plugin", "registers fast", needs=["imports nothing heavy to register"])
def registers_fast(plugin: Registering) -> None:
    """Loading and registering it takes less than a second of CPU time."""
    seconds = plugin.loaded()["seconds"]
    if seconds > SLOW_SECONDS:
        raise Failed(
            f"registering it takes {seconds:.1f} s of CPU time, at most {SLOW_SECONDS:g} s are allowed; do the work in "
            f"the factories"
        )


@check("plugin", "has valid names")
def has_valid_names(plugin: Registering) -> None:
    """The members of its families have names of letters, digits and `. _ + -`, each a name of its own.

    Of single components, registering refuses other names.
    """
    found = plugin.loaded()
    if found["bad_names"]:
        raise Failed(f"a family has the name {found['bad_names'][0]!r}; names are of letters, digits and . _ + -")
    if found["repeated_names"]:
        raise Failed(f"a family has the name {found['repeated_names'][0]!r} twice; each name is one member")


@check("plugin", "calls no factory to register")
def calls_no_factory(plugin: Registering) -> None:
    """The factories of its components are handed over, and not called."""
    if called := plugin.loaded()["called"]:
        raise Failed(f"it calls the factory of {listed(called)} when it registers; hand over the function itself")
