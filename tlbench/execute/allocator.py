"""The C library's allocator set so that memory once freed stays with the process, for the next step to use."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's names (`man mallopt`): how much is kept before it is given back, and from what size all is."""
KEPT_BYTES, LARGEST_BYTES = 2**31 - 1, 2**30


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed; True where that is set, False on other systems or where the user has a say.

    By default large activations are taken from the kernel and given back in every step, each page of them cleared and
    mapped again.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    if "malloc" in os.environ.get("LD_PRELOAD", ""):
        return False
    with contextlib.suppress(OSError, AttributeError):  # a C library without mallopt
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
    return False
