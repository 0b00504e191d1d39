"""How a run that is not finished is said to be so."""

from __future__ import annotations

from tlbench.words import counted


def without_record(planned: int, missing: int) -> str:
    """How many of the planned trials have no record, in words."""
    return f"{missing:,} of {counted(planned, 'planned trial')} {'has' if missing == 1 else 'have'} no record"
