"""Arrays in files, whose room on the disk is taken before anything is written; without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


def new_array(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> np.memmap[Any, Any]:
    """A memory-mapped array in a new file, whose room on the disk is taken at once.

    Without, a full disk would end the process by SIGBUS where it is written to. Raises OSError where there is no room.
    """
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
    if array.nbytes and hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return array
