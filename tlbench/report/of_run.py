"""What the reports of a run on disk are made from."""

from __future__ import annotations

from collections.abc import Sequence

from tlbench.plan.plan import Plan
from tlbench.registry.columns import baselines_of, columns_for
from tlbench.report.data import ReportData
from tlbench.results.records import Record
from tlbench.results.store import RunFolder


def report_data(plan: Plan, folder: RunFolder, records: Sequence[Record], margin: float | None = None) -> ReportData:
    """The records of a run, with its columns, predictions and baselines; `margin` is that of `ReportData`."""
    return ReportData(records, folder.example_scores, columns_for(plan), baselines_of(plan), margin)
