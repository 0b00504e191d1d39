"""The errors that tlbench raises on purpose, each a sentence for the person who reads it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """The request can't be carried out as asked; the message names the thing, the value and the remedy."""


class OtherRun(UserError):
    """A run of the name exists, with another plan or made with other releases; the message says what differs."""


class BackboneError(UserError):
    """What a backbone states of its model is wrong; the message names the path and the remedy."""


class WeightsUnavailable(Exception):
    """Published weights that are not available on this machine now; the message says why."""


class PhaseError(Exception):
    """A strategy yielded something that the engine can't carry out."""


class TestSplitShut(Exception):
    """Somebody reached for the test split at the wrong time."""

    __test__ = False  # its name would make pytest collect it


class Diverged(Exception):
    """The training loss, or what the trained model says, is no finite number; at which step, if it is known."""

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class RetentionUnknown(Exception):
    """What a model still knows of its source can't be measured; the message says why."""


def first_fault(error: ValidationError) -> str:
    """What pydantic finds wrong first in a document: where, and what."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}{': ' if where else ''}{first['msg']}"


def nearest(word: str, known: Iterable[str], most: int = 3) -> str:
    """Say which known names lie nearest to a mistyped one, as the end of a sentence, or nothing."""
    close = difflib.get_close_matches(word, sorted(set(known)), n=most, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
