"""A series as a line of bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
MIDDLE = BARS[3]


def sparkline(values: Sequence[float | None], most: int) -> str:
    """A bar for each of the last values, `most` at most, from the lowest to the highest of them; a blank for None."""
    shown = values[-most:]
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return "".join(" " if value is None else _bar(value, low, high) for value in shown)


def _bar(value: float, low: float, high: float) -> str:
    return MIDDLE if low == high else BARS[round((value - low) / (high - low) * (len(BARS) - 1))]


def can_show(encoding: str) -> bool:
    """Whether an encoding has the bars."""
    try:
        BARS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
