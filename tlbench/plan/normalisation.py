"""How images are normalised, as it is asked for."""

from __future__ import annotations

CHOICES = ("weights", "dataset")


def checked_normalisation(text: str) -> str:
    """One of the choices, or statistics; raises ValueError where it is neither."""
    if text not in CHOICES:
        parse_statistics(text)
    return text


def parse_statistics(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`0.5/0.25`, or `0.48,0.46,0.41/0.23,0.22,0.23`; raises ValueError where it is neither."""
    mean, slash, std = text.partition("/")
    try:
        values = [tuple(float(each) for each in part.split(",")) for part in (mean, std)]
    except ValueError:
        values = []
    if not slash or len(values) != 2 or len(values[0]) != len(values[1]) or min(values[1]) <= 0:
        raise ValueError(
            f"{text!r} is none of weights, dataset, and MEAN/STD between 0 and 1, as 0.5/0.25 or "
            f"0.48,0.46,0.41/0.23,0.22,0.23"
        )
    return values[0], values[1]
