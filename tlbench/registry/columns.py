"""The columns of a run's reports: those that every report has, its tasks' metrics, and those of plugins."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.results.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tlbench.plan.plan import Plan
    from tlbench.results.column import Column


def columns_for(plan: Plan) -> Callable[[str], Sequence[Column]]:
    """The columns of a task's tables and documents, by its qualified name."""
    own = Registry.of(load_plugins()).own_columns(plan.request.block)
    return cache(partial(columns_of, plan, own=own))
