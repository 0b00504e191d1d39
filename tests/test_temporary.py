"""The process's own temporary folder, and those that killed processes have left."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tlbench.temporary import HELD, files_in, remove_abandoned, temporary_folder

HOLD = """
import sys, time
from tlbench.temporary import temporary_folder
print(temporary_folder(), flush=True)
sys.stdin.readline()
"""


def holder(directory: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has a folder, until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"TMPDIR": str(directory)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_is_the_same_one_and_holds_what_tempfile_makes() -> None:
    folder = temporary_folder()
    assert temporary_folder() == folder and (folder / HELD).exists()
    with files_in(folder), tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == folder
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent != folder


def test_the_folder_goes_when_the_process_ends(tmp_path: Path) -> None:
    process, folder = holder(tmp_path)
    (folder / "left").write_text("something")
    process.communicate("\n")
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())


def test_only_a_killed_process_s_folder_is_removed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, its = holder(tmp_path)
    killed, abandoned = holder(tmp_path)
    killed.kill()
    killed.wait()
    (tmp_path / "tlbench-mine").mkdir()  # somebody's own folder of such a name
    remove_abandoned(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {its.name, "tlbench-mine"}
    assert not abandoned.exists()
    alive.communicate("\n")
