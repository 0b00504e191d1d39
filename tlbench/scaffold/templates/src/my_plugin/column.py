"""A column: a figure of a record, in every table and document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import Column

if TYPE_CHECKING:
    from tlbench.toolkit import Record


def gain(record: Record) -> float | None:
    """The accuracy less that of chance, both on test; None, and never 0, where a trial has none."""
    metrics = record.metrics
    if metrics is None or metrics.primary != "accuracy" or metrics.value is None or metrics.chance is None:
        return None
    return metrics.value - metrics.chance


above_chance = Column(
    "above_chance",
    heading="Above chance",
    unit="fraction",
    better="higher",
    read=gain,
    description="the accuracy less that of chance",
)
