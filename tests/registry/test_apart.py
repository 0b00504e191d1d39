"""Plugins that hang are named, and reserved names are refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tlbench.registry import apart
from tlbench.registry.chosen import Chosen, using
from tlbench.registry.plugins import load_plugins


def test_a_plugin_that_takes_long_is_named_while_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apart, "LONG_SECONDS", 0.2)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(1)\ntlbench_api = 1\n")
    with using(Chosen(local=(str(tmp_path / "slow.py"),))):
        plugins = load_plugins()
    assert "slow" in plugins.provenance
    said = capfd.readouterr().err
    assert said.count("tlbench: plugin slow has been loading for 0.2 s by now; Ctrl-C ends the command") == 1


def test_nothing_is_said_of_one_that_is_fast(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apart, "LONG_SECONDS", 0.2)
    with apart.awaited("fast", "has been loading"):
        pass
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


def test_a_package_can_not_have_the_name_of_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken.py").write_text("tlbench_api = 1\n")
    metadata = tmp_path / "taken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: taken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tlbench]\npython = taken\n")
    monkeypatch.syspath_prepend(tmp_path)
    (fault,) = load_plugins().faults
    assert str(fault).startswith("plugin python is left out: loading: LookupError: the name python is reserved")
