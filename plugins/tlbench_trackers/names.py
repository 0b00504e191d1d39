"""Names and texts as trackers take them, whatever is in them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from tlbench.toolkit import bounded, facts_of, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlbench.toolkit import Record, Trial

LONGEST_KEY, LONGEST_TEXT = 120, 500
"""Characters; MLflow's SQL stores and W&B take more."""
EPOCH = "epoch/"
"""Before the figures of an epoch: `images_per_second` of an epoch and of a trial are two figures."""
CURVE = "curve/"
"""Before what a strategy has logged, whose steps are those of its training."""
DIGEST = 8


def key(name: str) -> str:
    """The name of a figure in letters, digits and `_ . -`; one that has others, or is too long, gets a digest."""
    plain = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).lstrip(".") or "_"
    if plain == name and len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST]
    return f"{plain[: LONGEST_KEY - DIGEST - 1]}-{digest}"


def points(record: Record) -> Iterator[tuple[str, int, float]]:
    """What the strategy has logged: name, step, value."""
    for name, curve in record.curves.items():
        yield from ((f"{CURVE}{key(name)}", step, value) for step, value in curve.points())


def text(value: object) -> str:
    """A text in one line, of bounded length."""
    return bounded(one_line(str(value)), LONGEST_TEXT)


def facts(trial: Trial) -> dict[str, str | float | bool]:
    """What is known of a trial before it runs, without what is open or off."""
    given = facts_of(trial).items()
    return {key(name): _plain(value) for name, value in given if value is not None and value != ()}


def _plain(value: object) -> str | float | bool:
    if isinstance(value, tuple):
        return text(" ".join(map(str, value)))
    return value if isinstance(value, int | float) else text(value)


def title(trial: Trial) -> str:
    """What a person reads: the cell and the seed."""
    cell = trial.cell
    return text(f"{cell.backbone} × {cell.strategy} on {cell.dataset}, seed {trial.seed}")


def folder_name(trial: Trial) -> str:
    """A trial's folder: for a person the cell, and for all others the id."""
    cell = trial.cell
    names = "-".join(each.partition("/")[2] or each for each in (cell.backbone, cell.strategy, cell.dataset))
    plain = re.sub(r"[^A-Za-z0-9_=+-]+", "_", names).strip("_-")
    return f"{plain[:LONGEST_KEY]}-{trial.id}"
