"""A column: one figure of a record, declared once for every report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlbench.contracts.task import Better, Unit

if TYPE_CHECKING:
    from tlbench.results.records import Record

TIMED: tuple[Unit, ...] = ("seconds", "ms", "per-second", "joules")
"""Units of what depends on the machine, and on what else it does."""
POINTS: tuple[Unit, ...] = ("share", "fraction")
"""Units whose differences are said in points, hundredths of the figure."""


def in_unit(declared: float, unit: Unit) -> float:
    """A difference as a person declares it, in the figure's own unit: of a share it is in points."""
    return declared / 100 if unit in POINTS else declared


@dataclass(frozen=True)
class Column:
    """A figure of a record: its name in documents, its heading in tables, its unit, and which way is better.

    `read` gives the figure, or None where it was not measured. With `better` None, nothing is marked as the best. In
    `tables` are the columns that a person sees; all are in CSV and pandas. `varies` says that the figure differs from
    run to run of the same trial, so that `tlbench doctor --noise` measures by how much. `run_deviation` is the standard
    deviation of its logarithm between runs that the seeds of one run do not show.
    """

    name: str
    heading: str
    unit: Unit
    better: Better | None
    read: Callable[[Record], float | None]
    description: str = ""
    tables: bool = True
    varies: bool = False
    run_deviation: Callable[[Record], float] = lambda _record: 0.0

    @property
    def timed(self) -> bool:
        """Whether it says something of the machine."""
        return self.unit in TIMED

    def value(self, record: Record) -> float | None:
        """The figure of a record; None, too, where a plugin's `read` raises, so that the report is made."""
        try:
            found = self.read(record)
            return None if found is None else float(found)
        except Exception:  # of a plugin
            return None
