"""Plugins that hang are named, and reserved names are refused."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tlbench.errors import UserError
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
    assert said.count("tlbench: plugin slow has been loading for 0.2 s by now; after 60 s it is left out") == 1


def test_nothing_is_said_of_one_that_is_fast(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apart, "LONG_SECONDS", 0.2)
    with apart.awaited("fast", "has been loading"):
        pass
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


HANGS = "import time\nwhile True:\n    time.sleep(0.05)\n"


def test_an_installed_plugin_that_hangs_is_left_out_and_all_others_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "MOST_SECONDS", 0.3)
    (tmp_path / "hanging.py").write_text(HANGS)
    metadata = tmp_path / "hanging-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tlbench]\nhanging = hanging\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins()
    assert [str(each) for each in plugins.faults] == [
        "plugin hanging is left out: loading: TimeoutError: it has been loading for 0.3 s"
    ]
    assert {"builtin", "packaged", "timm", "trackers"} <= set(plugins.provenance)


def test_a_file_that_hangs_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST_SECONDS", 0.3)
    (tmp_path / "hanging.py").write_text(HANGS)
    with (
        using(Chosen(local=(str(tmp_path / "hanging.py"),))),
        pytest.raises(UserError, match=r"hanging.py can't be loaded: TimeoutError: it has been loading for 0.3 s"),
    ):
        load_plugins()


def test_anothers_alarm_goes_on() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)
    handler = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 300, 7)
    try:
        with apart.awaited("fast", "has been loading"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= apart.MOST_SECONDS
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 290 < left <= 300 and interval == 7
        assert signal.getsignal(signal.SIGALRM) == handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_a_package_can_not_have_the_name_of_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken.py").write_text("tlbench_api = 1\n")
    metadata = tmp_path / "taken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: taken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tlbench]\npython = taken\n")
    monkeypatch.syspath_prepend(tmp_path)
    (fault,) = load_plugins().faults
    assert str(fault).startswith("plugin python is left out: loading: LookupError: the name python is reserved")
