"""Heterogeneous transfer: what a small model has learned, made the start of a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import Column, hookimpl
from tlbench_growth import larger_input, net2net, sizes

if TYPE_CHECKING:
    from tlbench.toolkit import Record, RegisterColumn, RegisterStrategy

tlbench_api = 1

STRATEGIES = (*net2net.STRATEGIES, *sizes.STRATEGIES, *larger_input.STRATEGIES)


@hookimpl
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register all of them."""
    for each in STRATEGIES:
        register(each)


def function_moved(record: Record) -> float | None:
    """What a strategy has noted; None of those that grow nothing."""
    noted = record.notes.get("function_moved")
    return noted if isinstance(noted, float) else None


@hookimpl
def tlbench_register_columns(register: RegisterColumn) -> None:
    """Register how far growth has moved the function; tables have no column for it, since few cells have any."""
    said = "largest difference of the outputs where a model was grown, over the largest output before"
    register(Column("function_moved", "Moved", "number", None, function_moved, said, tables=False))
