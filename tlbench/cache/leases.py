"""What keeps a run's stages in the cache while the run lives: a lock that ends with its process."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
from pathlib import Path

from filelock import FileLock, Timeout

from tlbench.cache.folder import cache_folder

LEASES = "leases"

_leases: dict[Path, tuple[str, FileLock]] = {}
"""By cache, the lease that this process holds, and the lock that says so as long as it lives."""


def hold_lease(folder: Path | None = None) -> str:
    """The name of a lease that holds as long as this process lives; the same one each time.

    A process is not known by its number: in containers, all of them are number 1. Where the cache can't be written,
    the name stands for nothing; who needs the cache will say so.
    """
    place = folder or cache_folder()
    name, lock = _leases.get(place, ("", None))
    if lock is None or not name.startswith(f"{os.getpid()}-"):  # forked: the lock is the parent's
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        lock = FileLock(place / LEASES / f"{name}.lock")
        with contextlib.suppress(OSError):
            (place / LEASES).mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        _leases[place] = (name, lock)
        atexit.register(_let_go, lock)
    return name


def _let_go(lock: FileLock) -> None:
    lock.release()
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()


def is_held(folder: Path, name: str) -> bool:
    """Whether the process of a lease lives; the file of one that doesn't is removed."""
    file = folder / LEASES / f"{name}.lock"
    if locked(file):
        return True
    file.unlink(missing_ok=True)
    return False


def locked(file: Path) -> bool:
    """Whether a living process holds the lock of a file."""
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
