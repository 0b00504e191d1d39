"""What the reports of a run on disk are made from."""

from __future__ import annotations

from collections.abc import Sequence

from tlbench.plan.plan import Plan
from tlbench.registry.columns import baselines_of, columns_for
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.report.data import ReportData
from tlbench.results.records import Record
from tlbench.results.store import RunFolder


def report_data(plan: Plan, folder: RunFolder, records: Sequence[Record], margin: float | None = None) -> ReportData:
    """The records of a run, with its columns, predictions and baselines; `margin` is that of `ReportData`."""
    registry = Registry.of(load_plugins())
    return ReportData(
        records, folder.example_scores, columns_for(plan, registry), baselines_of(plan, registry), margin,
        suites=plan.suites,
    )  # fmt: skip
