"""Stages: results of pure functions of their keys, computed once and kept until room is needed."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from tlbench.cache.folder import cache_folder, cache_limit_bytes, folder_bytes
from tlbench.cache.leases import LEASES, hold_lease, is_held, locked
from tlbench.errors import UserError
from tlbench.files import written_whole

CHUNK = 2**24
MANIFEST, USED = "stage.json", "used"


@dataclass(frozen=True)
class Kept:
    """A stage's result: the folder of its files, the seconds it took to compute, and whether it was there already.

    `shared_seconds` is what having it already saved the asker: 0 where it had to be computed, or the same asker has
    had it before.
    """

    path: Path
    seconds: float
    reused: bool
    shared_seconds: float


@dataclass(frozen=True)
class Entry:
    """A stage in the cache, for `tlbench cache info` and for making room."""

    path: Path
    kind: str
    size_bytes: int
    used: float
    leased: bool


class StageCache:
    """Results of stages by the digest of their keys: each computed once, whoever needs it at the same time.

    An entry is leased to a run while the process that holds the lease lives, and is not removed meanwhile. A lease that
    nobody holds here, as on another machine than the run's, is replaced by one of this process.
    """

    def __init__(self, folder: Path | None = None, lease: str | None = None) -> None:
        self.folder = (folder or cache_folder()) / "stages"
        self._lease_name = lease if lease and is_held(self.folder.parent, lease) else hold_lease(folder)
        self._had: set[Path] = set()

    def get(self, kind: str, key: Mapping[str, Any], compute: Callable[[Path], None]) -> Kept:
        """The result for a key; `compute` writes its files into the folder that it is given.

        A result whose files are damaged is computed again. Raises UserError where the cache can't be written.
        """
        begun = time.perf_counter()
        path, text = self._place(kind, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                seconds = intact(path)
                reused = seconds is not None
                if seconds is None:
                    seconds = self._compute(path, text, compute)
                self._lease(path)
            if not reused:
                self.make_room()
        except OSError as error:
            raise UserError(
                f"the cache {self.folder} can't be written: {error.strerror or error}; "
                f"make room, or name another folder with $TLBENCH_CACHE"
            ) from error
        by_others = reused and path not in self._had
        self._had.add(path)
        return Kept(path, seconds, reused, seconds - (time.perf_counter() - begun) if by_others else 0.0)

    def holds(self, kind: str, key: Mapping[str, Any]) -> bool:
        """Whether a result is there already; it may turn out to be damaged."""
        return (self._place(kind, key)[0] / MANIFEST).exists()

    def entries(self) -> list[Entry]:
        """All stages, the least recently used first."""
        held = functools.cache(partial(is_held, self.folder.parent))
        found = (_entry(manifest.parent, held) for manifest in self.folder.glob(f"*/*/{MANIFEST}"))
        return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.used)

    def make_room(self) -> None:
        """Remove the least recently used entries that nobody has leased, until the rest is under the limit."""
        limit = cache_limit_bytes()
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries)
        for entry in entries:
            if total <= limit:
                return
            if not entry.leased:
                shutil.rmtree(entry.path, ignore_errors=True)
                total -= entry.size_bytes

    def leftovers(self) -> list[Path]:
        """What processes that were killed have left unfinished."""
        return [
            each
            for each in self.folder.glob("*/*.tmp")
            if not locked(each.parent / f"{each.name.partition('.')[0]}.lock")
        ]

    def clear(self) -> tuple[int, int]:
        """Remove all that nobody has leased, and what was left unfinished; gives the number of entries and of bytes."""
        entries = [(entry.path, entry.size_bytes) for entry in self.entries() if not entry.leased]
        removed = [*entries, *((path, folder_bytes(path)) for path in self.leftovers())]
        for path, _ in removed:
            shutil.rmtree(path, ignore_errors=True)
        for lock in self.folder.glob("*/*.lock"):
            if not lock.with_suffix("").exists() and not locked(lock):
                lock.unlink(missing_ok=True)
        return len(removed), sum(size for _, size in removed)

    def _place(self, kind: str, key: Mapping[str, Any]) -> tuple[Path, str]:
        text = json.dumps({"kind": kind, **key}, sort_keys=True, default=str)
        return self.folder / kind / hashlib.sha256(text.encode()).hexdigest()[:24], text

    def _compute(self, path: Path, key: str, compute: Callable[[Path], None]) -> float:
        shutil.rmtree(path, ignore_errors=True)
        for left in path.parent.glob(f"{path.name}.*.tmp"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with written_whole(path) as temporary:
            begun = time.perf_counter()
            compute(temporary)
            seconds = time.perf_counter() - begun
            files = {file.name: [file.stat().st_size, _checksum(file)] for file in sorted(temporary.iterdir())}
            manifest = {"key": json.loads(key), "seconds": seconds, "files": files}
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
        return seconds

    def _lease(self, path: Path) -> None:
        (path / LEASES).mkdir(exist_ok=True)
        (path / LEASES / self._lease_name).touch()
        (path / USED).touch()


_verified: set[Path] = set()
"""What this process has read through already: once is enough for a process."""


def intact(path: Path) -> float | None:
    """The seconds that a result took to compute; None where it is missing or its files are not as they were."""
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        for name, (size, checksum) in manifest["files"].items():
            if (path / name).stat().st_size != size:
                return None
            if path not in _verified and _checksum(path / name) != checksum:
                return None
        _verified.add(path)
        return float(manifest["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as opened:
        for chunk in _chunks(opened):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _chunks(opened: Any) -> Iterator[bytes]:
    while chunk := opened.read(CHUNK):
        yield chunk


def _entry(path: Path, held: Callable[[str], bool]) -> Entry | None:
    try:
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        used = (path / USED).stat().st_mtime
        leases = list((path / LEASES).iterdir())
    except OSError:
        return None
    for lease in leases:
        if held(lease.name):
            return Entry(path, path.parent.name, size, used, leased=True)
        lease.unlink(missing_ok=True)
    return Entry(path, path.parent.name, size, used, leased=False)
