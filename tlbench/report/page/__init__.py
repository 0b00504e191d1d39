"""The report of a run as one HTML file: what it says, and how it is drawn."""

from __future__ import annotations

from tlbench.plan.plan import Plan
from tlbench.report.data import ReportData
from tlbench.report.page.content import NO_PAST, Past, content
from tlbench.report.page.details import Details
from tlbench.report.page.page import to_page
from tlbench.results.store import RunFolder


def to_html(plan: Plan, folder: RunFolder, data: ReportData, past: Past = NO_PAST) -> str:
    """The page: self-contained, it makes no request. `past` has what is drawn of each cell over other runs."""
    return to_page(content(plan, data, Details(folder.kept_predictions), past))
