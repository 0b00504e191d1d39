"""A folder of this process in the system's temporary directory; what killed processes have left there is removed."""

from __future__ import annotations

import multiprocessing.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from tlbench.cache.leases import locked

PREFIX = "tlbench-"
STARTING, HELD = ".starting", ".held"
"""A lock's file gets its second name when the lock is held: only such folders are looked at by others."""

AFTER_MULTIPROCESSING = -200
"""Multiprocessing removes its own folder, which lies in this one, at -100."""

_own: dict[int, tuple[Path, FileLock]] = {}
"""By process (a forked one has its parent's globals), its folder, and the lock that says that the process lives."""


def temporary_folder() -> Path:
    """This process's folder, the same one each time; it is removed when the process ends."""
    if os.getpid() not in _own:
        remove_abandoned(Path(tempfile.gettempdir()))
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = FileLock(folder / STARTING)
        with suppress(OSError, NotImplementedError):  # a file system without locks: nobody removes it
            lock.acquire(timeout=0)
            (folder / STARTING).rename(folder / HELD)
        _own[os.getpid()] = folder, lock
        multiprocessing.util.Finalize(None, _remove_own, (os.getpid(),), exitpriority=AFTER_MULTIPROCESSING)
    return _own[os.getpid()][0]


def remove_abandoned(directory: Path) -> None:
    """Remove the folders of processes that have ended without doing so themselves."""
    for folder in directory.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or one that another process removes at this moment
            if (folder / HELD).exists() and not locked(folder / HELD):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def files_in(folder: Path) -> Iterator[None]:
    """Let `tempfile` make its files in a folder meanwhile."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _remove_own(process: int) -> None:
    if process == os.getpid():
        folder, lock = _own.pop(process)
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
