"""The errors that tlbench raises on purpose, each a sentence for the person who reads it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The request can't be carried out as asked; the message names the thing, the value and the remedy."""


class WeightsUnavailable(Exception):
    """Published weights that can't be had on this machine now; the message says why."""


class PhaseError(Exception):
    """A strategy yielded something that the engine can't carry out."""


class Diverged(Exception):
    """The training loss stopped being a finite number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"the training loss became {loss} at step {step}; a lower learning rate is the usual remedy")
        self.step = step


def nearest(word: str, known: Iterable[str], most: int = 3) -> str:
    """Say which known names lie nearest to a mistyped one, as the end of a sentence, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=most, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
