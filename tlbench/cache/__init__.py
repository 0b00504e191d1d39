"""What tlbench can make again: remembered measurements, and stages whose results are kept until room is needed."""

from __future__ import annotations

from tlbench.cache.folder import (
    LIMIT_VARIABLE,
    cache_folder,
    cache_limit_bytes,
    compile_folder,
    folder_bytes,
    spelled_bytes,
)
from tlbench.cache.leases import hold_lease
from tlbench.cache.remembered import Remembered
from tlbench.cache.stages import Kept, StageCache

__all__ = [
    "LIMIT_VARIABLE",
    "Kept",
    "Remembered",
    "StageCache",
    "cache_folder",
    "cache_limit_bytes",
    "compile_folder",
    "folder_bytes",
    "hold_lease",
    "spelled_bytes",
]
