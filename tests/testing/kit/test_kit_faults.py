"""The kit finds every planted fault, says so in its own check, and finds nothing in the same plugin without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from faults import FAULTS, Fault

from tlbench.testing import CheckResult, check_component, check_plugin
from tlbench.testing.kit.checks import checks_for


def found_in(fault: Fault, folder: Path) -> list[CheckResult]:
    """What the kit says of a faulty plugin, or of its one component."""
    file = folder / "faulty.py"
    file.write_text(fault.source)
    if fault.kind == "plugin":
        return [each for each in check_plugin(str(file)) if each.kind == "plugin"]
    return check_component(fault.kind, f"faulty/{fault.component}", str(file))


@pytest.mark.parametrize(
    "fault",
    [pytest.param(each, marks=[pytest.mark.slow] if each.slow else [], id=each.fault) for each in FAULTS],
)
def test_the_kit_finds(fault: Fault, tmp_path: Path) -> None:
    """The fault's own check fails, and no other, with one sentence."""
    failed = {each.check: each.said for each in found_in(fault, tmp_path) if each.outcome == "failed"}
    assert list(failed) == [fault.check], failed
    name = "faulty" if fault.kind == "plugin" else f"faulty/{fault.component}"
    said = ".*".join(map(re.escape, f"{fault.kind} {name}: {fault.says}".split("…")))
    assert re.fullmatch(said, failed[fault.check]), failed[fault.check]


def test_most_checks_have_a_fault_that_they_find() -> None:
    kinds = {each.kind for each in FAULTS}
    assert kinds == {"plugin", "backbone", "dataset", "task", "strategy", "metric", "reporter", "executor"}
    assert len(FAULTS) >= 20
    for fault in FAULTS:
        assert fault.check in [each.name for each in checks_for(fault.kind)], fault.fault
