"""Options of how image files are read."""

from __future__ import annotations

Range = tuple[float, float] | None


def rising(value: Range) -> Range:
    """Raise ValueError where black is not below white."""
    if value is not None and not value[0] < value[1]:
        raise ValueError("the value of black is below that of white, as in range=0+4095")
    return value


def grey_or_rgb(value: int) -> int:
    """Raise ValueError on another number of channels: files are read as grey or RGB."""
    if value not in (1, 3):
        raise ValueError("image files are read as RGB (3) or grey (1)")
    return value
