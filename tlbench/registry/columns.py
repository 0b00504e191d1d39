"""What a run's reports have of the registry: columns, those of plugins among them, and the baselines."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from tlbench.errors import UserError
from tlbench.registry.kinds import Registry
from tlbench.results.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tlbench.plan.plan import Plan
    from tlbench.results.column import Column


def baselines_of(plan: Plan, registry: Registry) -> frozenset[str]:
    """The plan's strategies that a model must beat; those of plugins that are not here any more are none."""
    found = set()
    for ref in {cell.strategy for cell in plan.cells}:
        with suppress(UserError):
            if registry.strategies.resolve(ref).load().baseline:
                found.add(ref)
    return frozenset(found)


def columns_for(plan: Plan, registry: Registry) -> Callable[[str], Sequence[Column]]:
    """The columns of a task's tables and documents, by its qualified name."""
    own = registry.own_columns(plan.request.no_plugin)
    return cache(partial(columns_of, plan, own=own))
