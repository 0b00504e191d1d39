"""All that a run will do: its cells, and the order of their trials."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import Literal

from pydantic import AliasChoices, Field

from tlbench.contracts.task import Better, Unit
from tlbench.plan.cell import Cell, Trial, trial_id
from tlbench.plan.choices import Frozen
from tlbench.plan.request import Request
from tlbench.registry.provenance import Provenance
from tlbench.words import counted, listed


class MetricPlan(Frozen):
    """A metric, as its task or a plugin declares it."""

    name: str
    heading: str
    better: Better
    unit: Unit
    description: str = ""


class TaskPlan(Frozen):
    """A task's metrics, those of plugins among them, and the name of the primary one."""

    primary: str
    metrics: tuple[MetricPlan, ...]

    @property
    def primary_metric(self) -> MetricPlan:
        """The metric that models are chosen and compared by."""
        return next(each for each in self.metrics if each.name == self.primary)


class Plan(Frozen):
    """All that a run will do. `left_out` says which strategies can't adapt which backbones or tasks, and why.

    `sources` are what is trained first, each with seed 0: the backbones on the source datasets. `suites` has by name
    the datasets of each suite that was asked for. `tasks` has the metrics of each task, by its qualified name;
    `batched` are the ids of the cells whose heads, of all seeds and rates, are trained in one product, by one job.
    """

    schema_version: Literal[4] = 4
    name: str
    created: datetime
    request: Request
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...] = ()
    provenance: dict[str, Provenance]
    tasks: dict[str, TaskPlan] = Field(default_factory=dict)
    sources: tuple[Cell, ...] = ()
    suites: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    batched: tuple[str, ...] = Field(
        (), validation_alias=AliasChoices("batched", "together")
    )  # as runs of schema 3 have it

    def trials(self) -> Iterator[Trial]:
        """Seed 0 of every cell, then seed 1, …: a run stopped early is already a table."""
        for seed, cell in product(range(self.request.seeds), self.cells):
            yield Trial(cell=cell, seed=seed)

    def trial_ids(self) -> list[str]:
        """The ids of all trials, in their order; each cell's digest is made once."""
        cells = [cell.id for cell in self.cells]
        return [trial_id(cell, seed) for seed in range(self.request.seeds) for cell in cells]

    def other_versions(self, other: Plan) -> str | None:
        """Say which plugins have other versions in another plan; None where none has."""
        mine, theirs = (
            {each.plugin: f"{each.distribution} {each.version}" for each in plan.provenance.values()}
            for plan in (self, other)
        )
        differ = [name for name in sorted(mine.keys() & theirs.keys()) if mine[name] != theirs[name]]
        return ", ".join(f"plugin {name}: {theirs[name]} there, {mine[name]} here" for name in differ) or None

    def difference(self, other: Plan) -> str | None:
        """Say in what this plan differs from another one as to results; None where it doesn't."""
        if self.trial_ids() == other.trial_ids():
            return None
        for ours, theirs in zip(self.cells, other.cells, strict=False):
            mine, yours = _flat(ours.model_dump(mode="json")), _flat(theirs.model_dump(mode="json"))
            if unlike := [key for key in mine if mine[key] != yours.get(key)]:
                return listed([f"{key} {yours.get(key)} there, {mine[key]} here" for key in unlike])
        return (
            f"{counted(len(other.cells), 'cell')} with {counted(other.request.seeds, 'seed')} there, "
            f"{len(self.cells)} with {self.request.seeds} here"
        )


def _flat(document: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
