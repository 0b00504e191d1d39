"""The test function of a plugin's own suite: `test_net = conformance("backbone", "mine/net", plugin="mine.py")`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from tlbench.errors import UserError
from tlbench.testing.kit.asked import asked_for
from tlbench.testing.kit.checks import CheckResult, checks_for
from tlbench.testing.kit.registering import Registering
from tlbench.testing.kit.running import carried_out, left_out
from tlbench.testing.kit.subject import Subject, subject_of, with_plugin

NO_OPTIONS = "it has no options"


def conformance(kind: str, name: str, plugin: str | None = None) -> Callable[[str], None]:
    """A pytest test function with a test for each check of a component: `conformance("strategy", "my-plugin/half")`.

    `name` may have options (`folder:photos`), `plugin` is the file or module of a plugin that is not installed. With
    the kind "plugin", `name` is that of a plugin, a distribution, a file or a module, and what is checked is how it
    registers. Raises UserError on an unknown kind.
    """
    names = [each.name for each in checks_for(kind)]

    @pytest.mark.parametrize("check", names)
    def test_component(check: str) -> None:
        __tracebackhide__ = True
        found = _result(kind, name, plugin, check)
        if found.outcome == "failed":
            pytest.fail(found.said, pytrace=False)
        if found.outcome == "skipped":
            pytest.skip(found.said)

    test_component.__doc__ = f"{kind} {name}"
    return test_component


def _result(kind: str, name: str, plugin: str | None, check: str) -> CheckResult:
    __tracebackhide__ = True
    try:
        subject = _subject(kind, name, plugin)
    except UserError as error:
        return CheckResult(check, "failed", f"{kind} {name}: {error}", kind, name)
    each = next(each for each in checks_for(kind) if each.name == check)
    if each.kind == "options" and left_out(each, subject):
        return CheckResult(check, "skipped", NO_OPTIONS, kind, name)
    return carried_out(each, subject)


@lru_cache(maxsize=8)
def _subject(kind: str, name: str, plugin: str | None) -> Subject | Registering:
    """What is checked, found once for all of its tests."""
    if kind == "plugin":
        asked = asked_for(name)
        if len(asked.plugins) != 1:
            raise UserError(f"{name} has several plugins ({', '.join(asked.plugins)}); name one")
        return Registering(asked.plugins[0], asked.chosen)
    return subject_of(kind, name, with_plugin(plugin))
