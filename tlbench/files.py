"""Files and folders that others see whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Write under another name, flush to the disk, rename: a reader sees all of it, or what was there before.

    Raises OSError where it can't be written; then nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def try_folder(folder: Path) -> None:
    """Raise OSError where nothing can be written below a folder, which need not exist; leave nothing behind."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(existing))
    probe = existing / f".tlbench-{os.getpid()}"
    probe.touch()
    probe.unlink()


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes a name when the block ends; what was there before is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(folder)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move_whole(source: Path, target: Path) -> None:
    """Give a file or folder another name, on another disk if need be, in place of what had it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = _beside(target)
        try:
            copied = shutil.copytree(source, temporary) if source.is_dir() else shutil.copy2(source, temporary)
            Path(copied).replace(target)
        finally:
            _remove(temporary)
        _remove(source)


def _beside(path: Path) -> Path:
    """A name in the same folder, of this process alone."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
