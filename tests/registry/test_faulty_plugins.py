"""Plugins that raise or exit in a registering hook: each is named with the hook, and all others work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlbench import hookspecs
from tlbench.registry.chosen import Chosen, using
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import HOOKS, load_plugins

REGISTERING = sorted(name for name in HOOKS if name.startswith("tlbench_register_"))
RAISES = """
from tlbench import hookimpl

tlbench_api = 1

@hookimpl
def {hook}(register):
    {does}
"""


def registry_with(folder: Path, source: str) -> Registry:
    (folder / "faulty.py").write_text(source)
    with using(Chosen(local=(str(folder / "faulty.py"),))):
        return Registry.of(load_plugins())


@pytest.mark.parametrize("hook", REGISTERING)
def test_a_hook_that_raises_is_named_and_takes_nothing_else_down(hook: str, tmp_path: Path) -> None:
    registry = registry_with(tmp_path, RAISES.format(hook=hook, does="raise RuntimeError('no luck')"))
    assert [str(fault) for fault in registry.plugins.faults] == [
        f"plugin faulty is left out: {hook}: RuntimeError: no luck"
    ]
    assert registry.backbones.find("small_cnn").qualified == "packaged/small_cnn"
    assert registry.strategies.find("full").qualified == "builtin/full"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("register()", "TypeError: "),
        (
            "register('a name with spaces', lambda options: None)",
            "ValueError: 'a name with spaces' can't name a backbone",
        ),
        ("register('twice', print); register('twice', print)", "ValueError: the backbone 'twice' is registered twice"),
        ("register('odd', 3)", "TypeError: the factory of the backbone 'odd' is 3 and can't be called"),
    ],
)
def test_what_is_registered_wrongly_is_a_fault(does: str, said: str, tmp_path: Path) -> None:
    registry = registry_with(tmp_path, RAISES.format(hook="tlbench_register_backbones", does=does))
    (fault,) = registry.plugins.faults
    assert fault.message.startswith(said)


def test_a_hook_that_is_to_go_is_told_with_its_date_and_works_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tlbench_register_old(register: object) -> None:
        """Register what is to go."""

    marked = hookspecs.deprecated("2027-06-01", "implement tlbench_register_backbones")(tlbench_register_old)
    monkeypatch.setattr(hookspecs, "tlbench_register_old", marked, raising=False)
    registry = registry_with(tmp_path, RAISES.format(hook="tlbench_register_old", does="raise RuntimeError"))
    assert registry.plugins.faults == []  # as nothing calls the hook
    assert "faulty" in registry.plugins.provenance
    assert registry.plugins.notes[-1:] == [
        "plugin faulty: tlbench_register_old may be missing from 2027-06-01 on; implement tlbench_register_backbones"
    ]
