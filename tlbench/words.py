"""Numbers and names as sentences have them."""

from __future__ import annotations

import unicodedata
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


DIRECTION = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of the text behind them."""


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters, turns of direction and lone surrogates escaped.

    Line breaks stay.
    """
    return "".join(_escaped(each) if _obeyed(each) else each for each in text)


def one_line(text: str) -> str:
    """The same, in one line."""
    return printable(text.replace("\r\n", "\n").replace("\n", "\\n"))


def _obeyed(character: str) -> bool:
    return character != "\n" and (character in DIRECTION or unicodedata.category(character) in ("Cc", "Cs"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
