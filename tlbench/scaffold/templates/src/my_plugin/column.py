"""A column: a figure of a record, in every table and document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import Column

if TYPE_CHECKING:
    from tlbench.toolkit import Record


def gain(record: Record) -> float | None:
    """The primary metric less its chance level, both on test; None where one of them is not known."""
    metrics = record.metrics
    if metrics is None or metrics.value is None or metrics.chance is None:
        return None
    return metrics.value - metrics.chance


above_chance = Column(
    "above_chance",
    heading="Above chance",
    unit="fraction",
    better=None,  # of some metrics lower is better: nothing is marked as the best
    read=gain,
    description="the primary metric less its chance level",
)
