"""Crashes of a process: what they are called, and what may help."""

from __future__ import annotations

WORDS = {
    "SIGSEGV": "segmentation fault",
    "SIGBUS": "bus error",
    "SIGILL": "illegal instruction",
    "SIGFPE": "arithmetic error",
    "SIGABRT": "abort",
}
"""Signals by which a process ends of its own fault; faulthandler writes the Python stack for each of them."""

CONTIGUOUS = (
    "PyTorch's channels_last convolutions are known to crash on the CPU for some shapes; try --memory-format contiguous"
)


def crash(end: str) -> str | None:
    """An end (a signal's name, or an exit status) in words, where it was a crash."""
    return f"{WORDS[end]} ({end})" if end in WORDS else None


def told(dump: str) -> str | None:
    """What faulthandler wrote, without its list of extension modules; None where it wrote nothing."""
    return dump.partition("\nExtension modules:")[0].strip() or None
