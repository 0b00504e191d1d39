"""The sides of an A/B comparison: interpreters, environments, git revisions, and what is none of these."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tlbench
from tlbench.ab.installation import environment_of, installation, this_installation
from tlbench.errors import UserError

PACKAGE = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "stranger"
version = "{version}"
[project.entry-points.tlbench]
stranger = "stranger"
"""
BACKEND = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, info = "stranger-{version}-py3-none-any.whl", "stranger-{version}.dist-info/"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.write("stranger.py")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: stranger\\nVersion: {version}\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[tlbench]\\nstranger = stranger\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
"""A build backend that needs no other package."""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A plugin's repository with two releases."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for version in ("1.0", "2.0"):
        (folder / "pyproject.toml").write_text(PACKAGE.format(version=version))
        (folder / "backend.py").write_text(BACKEND.replace("{version}", version))
        (folder / "stranger.py").write_text(f"tlbench_api = 1\nversion = '{version}'\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", version)
        git(folder, "tag", f"v{version}")
    return folder


def test_this_environment_is_a_side() -> None:
    found = this_installation()
    assert (found.python, found.version) == (Path(sys.executable), tlbench.__version__)


def test_an_interpreter_and_its_environment_are_one_side(tmp_path: Path) -> None:
    environment = Path(sys.executable).parent.parent
    by_python = installation(sys.executable, tmp_path, print)
    assert by_python.python == Path(sys.executable)
    assert installation(str(environment), tmp_path, print).python == environment / "bin" / "python"


def test_an_interpreter_without_tlbench_is_refused(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(UserError, match="has no tlbench"):
        installation(str(tmp_path / "bare"), tmp_path, print)


def test_what_is_nothing_is_refused_with_where_it_was_looked_for(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'v3.0' is neither .* nor a git revision: .*repository has no such revision"):
        installation("v3.0", repository, print)
    with pytest.raises(UserError, match="here is no repository"):
        installation("v3.0", tmp_path, print)
    with pytest.raises(UserError, match="no such revision"):
        installation("--help", repository, print)


def test_a_sides_processes_find_nothing_of_this_ones_folder_or_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    found = environment_of(Path(sys.executable))
    assert "PYTHONPATH" not in found and found["PYTHONSAFEPATH"] == "1"
    assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.slow
def test_a_revision_is_installed_once_into_an_environment_of_its_own(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "cache"))
    told: list[str] = []
    old = installation("v1.0", repository, told.append)
    again = installation(git(repository, "rev-parse", "v1.0"), repository, told.append)
    assert old.python == again.python != Path(sys.executable)
    assert len(told) == 1 and old.version == tlbench.__version__
    said = subprocess.run(
        [old.python, "-c", "import stranger; print(stranger.version)"],
        env=environment_of(old.python), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "1.0"
