"""What files hold, known without reading them again as long as the file system says that they are unchanged."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import TypeAdapter

from tlbench.cache import Remembered

KIND = "contents"
SETTLED_SECONDS = 2.0
"""A file changed so shortly before it was read may change again within the same tick of the file system's clock."""

State = tuple[int, int, int, int]
"""A file's device, inode, size and time of its last change of any kind, which no program can set."""


def content_digest(root: Path, files: Iterable[Path]) -> str:
    """A digest of the names below `root` and the contents of files, in the order of the names.

    What was read is remembered by device, inode, size and ctime, so that 100,000 unchanged files take seconds.
    Raises OSError where a file can't be read.
    """
    ordered = sorted(files)
    memory = Remembered(KIND, str(root.absolute()), TypeAdapter(dict[str, str]))
    known = memory.read() or {}
    before = [_state(file) for file in ordered]
    unknown = [(file, state) for file, state in zip(ordered, before, strict=True) if _key(state) not in known]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        read = dict(
            zip((_key(state) for _, state in unknown), workers.map(_digest, (f for f, _ in unknown)), strict=True)
        )
    found = known | read
    if read:
        latest = time.time() - SETTLED_SECONDS
        settled = {_key(state) for state in before if state[3] / 1e9 < latest}
        memory.keep({key: found[key] for key in sorted(settled)})
    whole = hashlib.sha256()
    for file, state in zip(ordered, before, strict=True):
        whole.update(f"{file.relative_to(root)}\0{found[_key(state)]}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _state(file: Path) -> State:
    found = file.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


def _key(state: State) -> str:
    return " ".join(map(str, state))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
