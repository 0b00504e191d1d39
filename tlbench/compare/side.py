"""One side of a comparison: its cells, with all that pairs them, and what their seeds measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tlbench.contracts.task import Better, Unit
from tlbench.results.column import TIMED
from tlbench.stats import Sample


@dataclass(frozen=True)
class Figure:
    """A column, as a comparison needs it. `exact` figures do not vary from run to run."""

    name: str
    heading: str
    unit: Unit
    better: Better | None
    exact: bool = False
    metric: bool = False

    @property
    def timed(self) -> bool:
        """Whether it says something of the machine."""
        return self.unit in TIMED


@dataclass(frozen=True)
class Machine:
    """Where figures were measured. `job` is the boot of the machine; None where it is not known."""

    name: str
    job: str | None


@dataclass(frozen=True)
class Measured:
    """A cell of a side.

    `key` pairs it with a cell of the other side, by its first two parts alone where that leaves no doubt; `names` are
    what a person reads. `decisive` must be equal there, `told` may differ, and is told.
    `sample` is of the primary metric, whose figure is the first; `values` has of each figure that of every seed.
    """

    key: tuple[str, ...]
    names: tuple[str, ...]
    figures: tuple[Figure, ...]
    sample: Sample
    values: Mapping[str, Mapping[int, float]]
    status: str = "ok"
    decisive: Mapping[str, object] = field(default_factory=dict)
    told: Mapping[str, object] = field(default_factory=dict)
    machine: Machine | None = None

    @property
    def name(self) -> str:
        """The cell in words."""
        return " × ".join(self.names)

    @property
    def primary(self) -> Figure:
        """The figure of the primary metric."""
        return self.figures[0]


@dataclass(frozen=True)
class Side:
    """The cells of one side, under the name that it was given by; `noise` is the spread of costs on its machine.

    `noise` has by column the standard deviation of its logarithm, and the degrees of freedom that it is known with.
    """

    name: str
    cells: tuple[Measured, ...]
    noise: Mapping[str, tuple[float, int]] = field(default_factory=dict)
