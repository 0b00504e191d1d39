"""Numbers and names as sentences have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

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


def split_names(text: str) -> list[str]:
    """The names between commas; a comma inside quotes, or in a path that there is (`folder:cats, dogs`), parts none.

    Quotes around a name are taken off.
    """
    found: list[str] = []
    parts = text.split(",")
    while parts:
        whole = next((n for n in range(2, len(parts) + 1) if _is_one(",".join(parts[:n]))), 1)
        name = ",".join(parts[:whole]).strip()
        found.append(name[1:-1] if _quoted(name) else name)
        parts = parts[whole:]
    return found


def _is_one(text: str) -> bool:
    """Whether a text with commas is one name: quoted, or an option's value that is a path."""
    if _quoted(text.strip()):
        return True
    name, colon, rest = text.strip().partition(":")
    if not colon or "," in name:
        return False
    path, *options = re.split(r":(?=[A-Za-z_]\w*=)", rest)
    named = [path.removeprefix("path="), *(each.partition("=")[2] for each in options)]
    return any("," in each and Path(each).expanduser().exists() for each in named)


def _quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters, turns of direction and lone surrogates escaped.

    Line breaks stay.
    """
    return "".join(_escaped(each) if _obeyed(each) else each for each in text)


def legible(text: str) -> str:
    """A text that can be encoded: the bytes of a file's name that are not UTF-8 escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    """A text in one line, without what a terminal would obey."""
    return printable(text.replace("\r\n", "\n").replace("\n", "\\n"))


FORMULA = tuple("=+-@")
"""What a spreadsheet's formulas begin with; a text that does gets an apostrophe before it."""


def spreadsheet_field(value: object) -> object:
    """A field of a CSV file: a text that no spreadsheet takes for a formula, and no terminal for a command."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.lstrip()[:1] in FORMULA else printable(value)


def _obeyed(character: str) -> bool:
    return character != "\n" and (character in DIRECTION or unicodedata.category(character) in ("Cc", "Cs"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


LEFT_OUT = " … ({:,} characters left out) … "


def bounded(text: str, most: int) -> str:
    """A text of so many characters at most, its middle left out; lone surrogates are escaped."""
    if len(text) > most:
        half = (most - len(LEFT_OUT)) // 2 - len(str(len(text)))  # with the number, no longer than allowed
        text = f"{text[:half]}{LEFT_OUT.format(len(text) - 2 * half)}{text[-half:]}"
    return legible(text)
