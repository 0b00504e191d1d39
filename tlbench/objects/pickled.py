"""An object written so that another process can read it, with a digest of the source that it is made of."""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from tlbench.errors import UserError
from tlbench.registry.sources import digest_of_file

INSTALLED = (
    Path(__file__).parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
)
"""Where the sources lie whose releases a record has: tlbench's own, Python's, and those of packages."""
NOTEBOOK = "notebook"


def pickled(given: object, what: str) -> tuple[bytes, str, str]:
    """An object's bytes, the digest of its source, and where that lies: a file, a package, or a notebook.

    What lives in a script or a notebook is written by value, all else by the name of its module. Raises UserError where
    the object can't be written.
    """
    written, sources = io.BytesIO(), _Sources()
    try:
        _Pickler(written, sources).dump(given)
    except Exception as error:  # of any class's own pickling
        raise UserError(f"{what} can't be handed to a trial's process: {type(error).__name__}: {error}") from error
    return written.getvalue(), sources.digest(written.getvalue()), sources.place()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's, which notes each function and class on its way."""

    def __init__(self, file: io.BytesIO, sources: _Sources) -> None:
        super().__init__(file)
        self._sources = sources

    def persistent_id(self, found: object) -> None:
        """Called with each object before it is written; none is left to another store."""
        if isinstance(found, types.FunctionType | type):
            self._sources.add(found)


class _Sources:
    """The files that functions and classes stand in, and the text of those that stand in none."""

    def __init__(self) -> None:
        self._files: set[Path] = set()
        self._texts: set[str] = set()
        self._packages: dict[str, None] = {}

    def add(self, found: Any) -> None:
        module = sys.modules.get(getattr(found, "__module__", None) or "")
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not _installed(Path(file)):
            self._files.add(Path(file).resolve())
        elif isinstance(file, str):
            self._packages[str(found.__module__).partition(".")[0]] = None
        elif module is sys.modules["__main__"]:
            self._texts.add(_text(found))
            if isinstance(found, types.FunctionType):
                self._texts.update(_constants(found, found.__code__))

    def digest(self, written: bytes) -> str:
        """A SHA-256 of the files and texts; of the object itself where it is made of installed packages alone."""
        parts = [*sorted(map(digest_of_file, self._files)), *sorted(self._texts)] or [
            hashlib.sha256(written).hexdigest()
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def place(self) -> str:
        """Where the source lies, in a word."""
        if self._files:
            return ", ".join(sorted(file.name for file in self._files))
        return NOTEBOOK if self._texts else next(iter(self._packages), "objects")


@functools.cache
def _installed(file: Path) -> bool:
    return any(folder in file.parents for folder in INSTALLED)


def _constants(function: types.FunctionType, code: types.CodeType) -> Iterator[str]:
    """The plain values of a notebook that a function uses, as text."""
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, str | int | float | tuple | list):
            yield f"{name} = {value!r}"
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _constants(function, inner)


def _text(found: Any) -> str:
    """The source of a function or class of a notebook's cells; its code's bytes where no source is known."""
    try:
        return inspect.getsource(found)
    except (OSError, TypeError):
        code = getattr(found, "__code__", None)
        return repr(found) if code is None else f"{code.co_code.hex()} {code.co_consts!r}"
