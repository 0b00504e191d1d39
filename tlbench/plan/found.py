"""What preflight tells while it looks, and what it has found in the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tlbench.data.prepared import PreparedDataset, SourceImages
from tlbench.measure.machine import Machine
from tlbench.plan.cell import SOURCE_SEED, Cell, trial_id
from tlbench.plan.choices import Precision
from tlbench.plan.plan import TaskPlan
from tlbench.registry.provenance import Provenance
from tlbench.results.records import NumericsCandidate


@dataclass(frozen=True)
class Preparing:
    """Progress of a dataset's decoding."""

    dataset: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """A sentence about what preflight is doing."""

    text: str


Tell = Callable[[Preparing | Note], object]


@dataclass
class Preflight:
    """What was found: the machine, the cells, and for each the prepared dataset that its trials read.

    `sources` are the cells that are trained first, on source datasets. `other_data` has the other datasets that a
    cell's strategy trains on, as it names them; `source_images` what retention is measured on, or why it can't be.
    `shifted` has the datasets that its models are tested on besides, by their qualified names.
    `left_out` says which strategies can't adapt which backbones or tasks; `tasks` has the metrics of each task,
    `batched` the cells whose heads are trained together. `threads` are those that `peak_flops_per_second`, by
    precision, was measured with; `numerics` has what was measured to choose a cell's precision.
    """

    machine: Machine
    threads: int
    peak_flops_per_second: dict[Precision, float] = field(default_factory=dict)
    numerics: dict[str, list[NumericsCandidate]] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    sources: list[Cell] = field(default_factory=list)
    data: dict[str, PreparedDataset] = field(default_factory=dict)
    other_data: dict[str, dict[str, PreparedDataset]] = field(default_factory=dict)
    suites: dict[str, tuple[str, ...]] = field(default_factory=dict)
    source_images: dict[str, SourceImages | str] = field(default_factory=dict)
    shifted: dict[str, dict[str, PreparedDataset]] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    batched: list[str] = field(default_factory=list)

    def keep(
        self,
        cell: Cell,
        data: PreparedDataset,
        other_data: dict[str, PreparedDataset],
        tried: list[NumericsCandidate],
    ) -> None:
        """Note what a cell's trials read, and what was tried to choose its precision."""
        self.data[cell.id], self.other_data[cell.id], self.numerics[cell.id] = data, other_data, tried

    def with_protocol(self, changes: Mapping[str, object]) -> Preflight:
        """The same with something else in every cell's protocol."""
        changed = {cell.id: _changed(cell, changes) for cell in (*self.sources, *self.cells)}
        trials = {trial_id(cell.id, SOURCE_SEED): trial_id(changed[cell.id].id, SOURCE_SEED) for cell in self.sources}
        for cell in self.cells:
            if (source := cell.source_model) is not None and source.trial in trials:
                source = source.model_copy(update={"trial": trials[source.trial]})
                changed[cell.id] = changed[cell.id].model_copy(update={"source_model": source})
        return dataclasses.replace(
            self,
            cells=[changed[cell.id] for cell in self.cells],
            sources=[changed[cell.id] for cell in self.sources],
            data={changed[cell].id: each for cell, each in self.data.items()},
            other_data={changed[cell].id: each for cell, each in self.other_data.items()},
            source_images={changed[cell].id: each for cell, each in self.source_images.items()},
            shifted={changed[cell].id: each for cell, each in self.shifted.items()},
            numerics={changed[cell].id: each for cell, each in self.numerics.items()},
            batched=[changed[cell].id for cell in self.batched],
        )


def _changed(cell: Cell, changes: Mapping[str, object]) -> Cell:
    return cell.model_copy(update={"protocol": cell.protocol.model_copy(update=changes)})
