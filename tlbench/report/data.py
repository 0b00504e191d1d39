"""What the reports of a run are made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tlbench.report.rows import Examples, Row, rows
from tlbench.results.flat import Columns
from tlbench.results.records import Record


@dataclass(frozen=True)
class ReportData:
    """Records, with all that makes rows and sentences of them.

    `examples` gives each test example's share in a record's primary metric, `columns` a task's columns. `baselines` are
    the strategies that a model must beat, by qualified name. Two cells whose primary metrics differ by less than
    `margin` (points of what is a share, the metric's own unit for others) are practically equal; None declares none.
    With `only_differing`, columns that are equal in all rows of a table are said above it. `suites` has by name the
    datasets that are compared over together.
    """

    records: Sequence[Record]
    examples: Examples
    columns: Columns
    baselines: Collection[str] = ()
    margin: float | None = None
    only_differing: bool = False
    suites: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """A row for each cell."""
        return rows(self.records, self.examples, self.columns)
