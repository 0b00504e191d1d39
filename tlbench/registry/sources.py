"""Digests of Python sources: what a plugin consists of, whatever version it states."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType


def digest_of_sources(modules: Iterable[ModuleType]) -> str:
    """A SHA-256 over the Python files of the packages that modules are in."""
    return _digest(found for module in modules for found in _package(module))


def digest_of_file(file: Path) -> str:
    """A SHA-256 over a Python file and the modules of its folder that are imported by now."""
    folder = file.parent
    tops = {name.partition(".")[0] for name in list(sys.modules)}
    beside = {
        top for top in tops if _file(sys.modules.get(top)) in (folder / f"{top}.py", folder / top / "__init__.py")
    }
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in beside]
    files = {found for module in modules if (found := _file(module)) is not None and found.suffix == ".py"}
    return _digest((each.relative_to(folder).as_posix(), each) for each in {file, *files})


def _digest(named: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted(set(named)):
        digest.update(f"{name}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _package(module: ModuleType) -> Iterator[tuple[str, Path]]:
    """The files of a module's whole package, or of its own folder in a namespace; each with its name in there."""
    file = _file(sys.modules.get(module.__name__.partition(".")[0])) or _file(module)
    if file is None:
        return
    folder = file.parent
    for each in folder.rglob("*.py") if file.name == "__init__.py" else [file]:
        yield each.relative_to(folder.parent).as_posix(), each


def _file(module: ModuleType | None) -> Path | None:
    """Where a module lies; None of what is built in, and of namespaces."""
    found = getattr(module, "__file__", None)
    return Path(found) if isinstance(found, str) else None
