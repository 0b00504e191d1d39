"""Where the cache lies, and how large it may be."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from tlbench.errors import UserError

LIMIT_VARIABLE = "TLBENCH_CACHE_LIMIT"
DEFAULT_LIMIT = "20GiB"
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def cache_folder() -> Path:
    """Where it lies: $TLBENCH_CACHE, or the platform's cache folder."""
    return Path(os.environ.get("TLBENCH_CACHE") or platformdirs.user_cache_dir("tlbench"))


def compile_folder() -> Path:
    """Where compiled code is kept, and what is known of it."""
    return cache_folder() / "compile"


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def spelled_bytes(size: float) -> str:
    """Bytes as a person reads them."""
    for unit, factor, least in (("GiB", 2**30, 1.0), ("MiB", 2**20, 0.1)):
        if size >= least * factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 2**10:.1f} KiB"


def cache_limit_bytes() -> int:
    """How large the stages may grow together: $TLBENCH_CACHE_LIMIT ("20GiB"); raises UserError on a bad value."""
    text = os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", text.strip().lower())
    if match is None:
        raise UserError(f"${LIMIT_VARIABLE} {text!r} is not a size; write it like 500MiB or 20GiB")
    return int(float(match[1]) * UNITS[match[2]])
