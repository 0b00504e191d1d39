"""How a check is declared, and what comes of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tlbench.errors import UserError, nearest

Outcome = Literal["passed", "failed", "skipped"]
Function = TypeVar("Function", bound=Callable[[Any], None])

MODULES: dict[str, tuple[str, ...]] = {
    "plugin": ("registering",),
    "component": ("making",),
    "options": ("options",),
    "backbone": ("backbone", "backbone_weights"),
    "dataset": ("dataset",),
    "task": ("task",),
    "strategy": ("strategy",),
    "metric": ("metric",),
    "reporter": ("reporter",),
    "executor": ("executor",),
}
"""By what is checked, the modules of the kit that have its checks."""
GENERAL = ("plugin", "component", "options")
"""What is checked without the component being made."""
KINDS = tuple(kind for kind in MODULES if kind not in GENERAL)
"""The kinds of components that the kit checks."""


class Failed(Exception):
    """The contract is broken; the message says what was found and what it should be, the component goes before it."""


class NotApplicable(Exception):
    """A check has nothing to say of a component; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """A function that looks at a subject and raises `Failed` or `NotApplicable`; its docstring says what is checked.

    Where one of the checks in `needs` failed, it is skipped: a fault is told once, by the check that is about it.
    """

    kind: str
    name: str
    run: Callable[[Any], None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What came of a check: `said` is the sentence of one that failed, or the reason of one that was skipped."""

    check: str
    outcome: Outcome
    said: str = ""
    kind: str = ""
    component: str = ""


_declared: dict[str, list[Check]] = {}


def check(kind: str, name: str, needs: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Declare a check of a kind; its name completes the sentence that begins with the component.

    `needs` names other checks of the kind that must not have failed.
    """

    def declare(function: Function) -> Function:
        _declared.setdefault(kind, []).append(Check(kind, name, function, tuple(needs)))
        return function

    return declare


def checks_of(kind: str) -> list[Check]:
    """The checks of a kind, in the order in which they are carried out; raises UserError on an unknown kind."""
    if kind not in MODULES:
        raise UserError(
            f"there are no checks of the kind {kind!r}{nearest(kind, MODULES)}; there are: {', '.join(MODULES)}"
        )
    for module in MODULES[kind]:
        importlib.import_module(f"tlbench.testing.kit.{module}")
    return _declared[kind]


def checks_for(kind: str) -> list[Check]:
    """All checks of a component of a kind: that it can be made, those of the kind, and those of its options."""
    kinds = (kind,) if kind in GENERAL else ("component", kind, "options")
    return [each for one in kinds for each in checks_of(one)]
