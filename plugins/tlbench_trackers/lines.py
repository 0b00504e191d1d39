"""Lines at the end of a file."""

from __future__ import annotations

import os
from pathlib import Path


def append_line(file: Path, line: str) -> None:
    """Write a line at the end of a file, and flush it; what a killed process has begun there is ended first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as opened:
        if opened.seek(0, os.SEEK_END):
            opened.seek(-1, os.SEEK_END)
            if opened.read(1) != b"\n":
                line = f"\n{line}"
        opened.write(f"{line}\n".encode())
