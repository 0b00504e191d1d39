"""The values that become black and white, as an option."""

from __future__ import annotations

Range = tuple[float, float] | None


def rising(value: Range) -> Range:
    """Raise ValueError where black is not below white."""
    if value is not None and not value[0] < value[1]:
        raise ValueError("the value of black is below that of white, as in range=0+4095")
    return value
