"""An A/B comparison as a document and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tlbench.ab.course import Outcome, Series
from tlbench.ab.installation import Installation
from tlbench.ab.rounds import Round
from tlbench.compare.shown import as_document
from tlbench.compare.side import Side
from tlbench.words import counted


def conclusion(outcome: Outcome) -> Iterator[str]:
    """What is to be said under the table: what is still open, and what a rerun has said."""
    last = outcome.first
    for each in last.undecided:
        yield (
            f"Undecided after {counted(len(last.rounds), 'round')}: {each.pair.name}: gate {each.gate.text}; more "
            f"rounds would decide it (--budget, --rounds)."
        )
    if outcome.rerun is None:
        return
    fallen = [each for each in outcome.first.judgements if each.fell]
    for each in fallen:
        again = f"a rerun of {counted(len(outcome.rerun.rounds), 'round')}"
        said = f"confirmed by {again}" if each in outcome.confirmed else f"not confirmed by {again}: not failed"
        yield f"{each.pair.name}: gate {each.gate.text} {said}."


def document(outcome: Outcome, base: Installation, head: Installation) -> str:
    """The whole as JSON: both sides, all rounds, the comparison, and the rerun where there was one."""
    found: dict[str, Any] = {
        "sides": {side: _installation(each) for side, each in (("base", base), ("head", head))},
        "first": _series(outcome.first),
        "rerun": None if outcome.rerun is None else _series(outcome.rerun),
        "confirmed": [{"gate": each.gate.text, "cell": each.pair.name} for each in outcome.confirmed],
    }
    return json.dumps(found, indent=1)


def _installation(each: Installation) -> dict[str, str]:
    return {"name": each.name, "is": each.described, "python": str(each.python), "tlbench": each.version}


def _series(series: Series) -> dict[str, Any]:
    return {
        "rounds": [_round(each) for each in series.rounds],
        "comparison": as_document(series.comparison, series.judgements),
        "undecided": [{"gate": each.gate.text, "cell": each.pair.name} for each in series.undecided],
    }


def _round(each: Round) -> dict[str, Any]:
    sides = {"base": _values(each.base), "head": _values(each.head)}
    return {"number": each.number, "first": each.first, "seconds": each.seconds} | sides


def _values(side: Side) -> dict[str, Any]:
    """By cell and column, the figures of each seed."""
    return {cell.name: {name: list(values.values()) for name, values in cell.values.items()} for cell in side.cells}
