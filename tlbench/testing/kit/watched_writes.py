"""What Python code writes outside of a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
PLACES = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.truncate": (0,), "shutil.rmtree": (0,), "sqlite3.connect": (0,),
}  # fmt: skip
"""By audit event of Python, the places of its arguments that are changed."""
_seen: list[set[Path]] = []
"""What is written while somebody watches; audit hooks can't be taken away again."""
_hooked: list[bool] = []


@contextmanager
def writes_outside(folder: Path) -> Iterator[set[Path]]:
    """The paths outside of a folder that are opened for writing, made or removed in this block."""
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)
    written: set[Path] = set()
    found: set[Path] = set()
    _seen.append(written)
    try:
        yield found
    finally:
        _seen.remove(written)
        found |= {path for path in written if not path.is_relative_to(folder.resolve()) and not _is_python_own(path)}


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _seen:
        return
    if event == "open":
        flags = arguments[2]
        places: tuple[int, ...] = (0,) if isinstance(flags, int) and flags & WRITING else ()
    else:
        places = PLACES.get(event, ())
    for place in places:
        path = arguments[place]
        if isinstance(path, str | bytes | os.PathLike) and path != ":memory:":
            for each in _seen:
                each.add(Path(os.path.realpath(os.fsdecode(path))))


def _is_python_own(path: Path) -> bool:
    """Whether a path is a device, or compiled code of a module that was imported."""
    return path.is_relative_to("/dev") or "__pycache__" in path.parts
