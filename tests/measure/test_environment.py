"""The machine as a record tells of it."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from tlbench.measure.environment import at_start, git_commit, machine

CPU = torch.device("cpu")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_and_whether_there_are_changes(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "untracked").write_text("does not matter")
    assert git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == f"{commit}+changes"


def test_versions_of_the_usual_packages_and_of_plugins() -> None:
    packages = machine(CPU, ["pytest", "there-is-no-such-package"]).packages
    assert packages["torch"] == version("torch")
    assert packages["pytest"] == version("pytest")
    assert "there-is-no-such-package" not in packages


def test_the_machine_is_this_one() -> None:
    found = machine(CPU)
    assert found.memory_bytes == psutil.virtual_memory().total
    assert 1 <= found.usable_cores <= (psutil.cpu_count() or 1)
    assert (found.accelerator, found.cuda, found.driver, found.cudnn) == (None, None, None, None)


def test_flags_are_those_of_the_process() -> None:
    before = at_start(CPU)
    torch.use_deterministic_algorithms(True)
    try:
        assert at_start(CPU).deterministic is True
    finally:
        torch.use_deterministic_algorithms(before.deterministic)
    assert before.threads == torch.get_num_threads()
