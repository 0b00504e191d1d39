"""A side of an A/B comparison: an interpreter, or a git revision installed into an environment of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tlbench.cache import cache_folder
from tlbench.errors import UserError
from tlbench.words import bounded

Tell = Callable[[str], object]
WHICH = "import tlbench; print(tlbench.__version__)"


@dataclass(frozen=True)
class Installation:
    """An interpreter that has tlbench: the name it was given by, what it is, and its version of tlbench."""

    name: str
    python: Path
    described: str
    version: str


def installation(name: str, repository: Path, tell: Tell) -> Installation:
    """The side of a name: an interpreter, an environment's folder, or a revision of the repository.

    Raises UserError where it is none of these, can't be installed, or has no tlbench.
    """
    path = Path(name).expanduser()
    for python in (path, path / "bin" / "python", path / "Scripts" / "python.exe"):
        if python.is_file() and os.access(python, os.X_OK):
            return _checked(name, python.absolute(), str(python))
    commit = _commit(name, repository)
    return _checked(name, _installed(commit, repository, tell), f"commit {commit[:12]}")


def this_installation() -> Installation:
    """The one that this process runs in."""
    return _checked("this environment", Path(sys.executable), sys.executable)


def environment_of(python: Path) -> dict[str, str]:
    """The variables that a side's processes are started with: nothing of this one's modules is on their path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GITHUB_STEP_SUMMARY")}
    # without this, `python -m` would find the tlbench of the folder that it is started in
    return kept | {"PYTHONSAFEPATH": "1", "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _checked(name: str, python: Path, described: str) -> Installation:
    found = subprocess.run(
        [python, "-c", WHICH], env=environment_of(python), capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise UserError(f"{name}: {described} has no tlbench ({_last_line(found.stderr)}); install it there")
    return Installation(name, python, described, found.stdout.strip())


def _commit(name: str, repository: Path) -> str:
    if shutil.which("git") is None:
        raise UserError(f"{name!r} is no interpreter, and there is no git on the path that would know a revision")
    found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode:
        inside = _git(repository, "rev-parse", "--show-toplevel")
        where = f"{inside.stdout.strip()} has no such revision" if not inside.returncode else "here is no repository"
        raise UserError(f"{name!r} is neither an interpreter, nor an environment, nor a git revision: {where}")
    return found.stdout.strip()


def _installed(commit: str, repository: Path, tell: Tell) -> Path:
    """The interpreter of an environment that has the revision installed, made once and kept in the cache."""
    root = Path(_git(repository, "rev-parse", "--show-toplevel").stdout.strip())
    key = hashlib.sha256(f"{root}\n{commit}\n{sys.executable}\n{sys.version}".encode()).hexdigest()[:24]
    folder = cache_folder() / "environments" / key
    python = folder / "env" / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            tell(f"installing commit {commit[:12]} of {root}")
            try:
                _install(root, commit, folder, python)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / "complete").touch()
    return python


def _install(root: Path, commit: str, folder: Path, python: Path) -> None:
    source = folder / "source"
    _run("git", "clone", "--quiet", "--shared", "--no-checkout", str(root), str(source))
    _run("git", "-C", str(source), "checkout", "--quiet", "--detach", commit)
    _run(sys.executable, "-m", "venv", str(folder / "env"))
    # what this environment has need not be downloaded again; what the revision wants otherwise is installed over it
    packages = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    lines = [f"import site; site.addsitedir({each!r})\n" for each in _site_folders()]
    (Path(packages) / "tlbench-ab.pth").write_text("".join(lines), "utf-8")
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(source))


def _site_folders() -> list[str]:
    return [each for each in site.getsitepackages() if Path(each).is_dir()]


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=False)


def _run(*command: str) -> str:
    """Run a command; raises UserError with its last line where it fails."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if found.returncode:
        raise UserError(f"{' '.join(command[:4])} … failed: {_last_line(found.stderr or found.stdout)}")
    return found.stdout


def _last_line(text: str) -> str:
    lines = [each for each in text.strip().splitlines() if each.strip()]
    return bounded(lines[-1], 300) if lines else "it says nothing"
