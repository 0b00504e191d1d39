"""Numbers and names as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 10
"""Names that a sentence has; the rest is counted."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `3,000 images`, `2 classes`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Names with commas, up to some."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
