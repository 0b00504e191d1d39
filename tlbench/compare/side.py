"""One side of a comparison: its cells, with all that pairs them, and what their seeds measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tlbench.contracts.task import Better, Unit
from tlbench.results.column import TIMED
from tlbench.stats import Sample

PACE = "pace_ms"
"""The column of how fast the machine was meanwhile."""
JOINT = " × "
"""What the names of a cell are joined by."""
Noise = Mapping[str, tuple[float, int]]
"""The spread of costs on a machine: by column the standard deviation of its logarithm, and its degrees of freedom."""


@dataclass(frozen=True)
class Figure:
    """A column, as a comparison needs it. `exact` figures do not vary from run to run.

    `run_deviation` is the standard deviation of its logarithm between runs that the seeds of one run do not show.
    """

    name: str
    heading: str
    unit: Unit
    better: Better | None
    exact: bool = False
    metric: bool = False
    run_deviation: float = 0.0

    @property
    def timed(self) -> bool:
        """Whether it says something of the machine."""
        return self.unit in TIMED


@dataclass(frozen=True)
class Machine:
    """Where figures were measured. `job` is the boot of the machine, `software` what its pace depends on besides.

    None where they are not known.
    """

    name: str
    job: str | None
    software: str | None = None


@dataclass(frozen=True)
class Measured:
    """A cell of a side.

    `key` pairs it with a cell of the other side, by its first two parts alone where that leaves no doubt; `names` are
    what a person reads. `decisive` must be equal there, `told` may differ, and is told. `sources` has the digests of
    the code of components that are not installed: where they differ, cells are not the same, whatever they are called.
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
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The cell in words."""
        return JOINT.join(self.names)

    @property
    def primary(self) -> Figure:
        """The figure of the primary metric."""
        return self.figures[0]


@dataclass(frozen=True)
class Side:
    """The cells of one side, under the name that it was given by; `noise` is the spread of costs on its machine."""

    name: str
    cells: tuple[Measured, ...]
    noise: Noise = field(default_factory=dict)


def matches(pattern: str, names: Sequence[str], key: Sequence[str] = ()) -> bool:
    """Whether a pattern means a cell by one of its names, or by the first of them: "backbone × strategy", or with /.

    `key` has the whole names, with those of the plugins.
    """
    joined = [joint.join(names[:number]) for number in range(2, len(names) + 1) for joint in (JOINT, "/")]
    return any(pattern == each or fnmatchcase(each, pattern) for each in (*names, *joined, *key))
