"""Tables and documents of committed runs, character by character.

After a change that is meant: TLBENCH_RENEW=1 pytest tests/report/test_golden.py, and read the difference.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import tlbench
from tlbench.compare.changes import compare
from tlbench.compare.gates import judge, parse_gate
from tlbench.compare.of_run import side_of_run
from tlbench.compare.printed import print_comparison
from tlbench.compare.printed import to_markdown as comparison_to_markdown
from tlbench.report.data import ReportData
from tlbench.report.documents import to_csv, to_markdown
from tlbench.report.of_run import report_data
from tlbench.report.table import print_tables
from tlbench.results.store import RunFolder

RESULTS = Path(__file__).parents[2] / "results"
GOLDEN = Path(__file__).parent / "golden"


def data_of(run: str) -> ReportData:
    results = tlbench.load(run, RESULTS)
    return report_data(results.plan, RunFolder(results.folder), results.records)


def on_console(width: int, write: Callable[[Console], None]) -> str:
    file = io.StringIO()
    write(Console(file=file, width=width, color_system=None))
    return file.getvalue()


def table(run: str, width: int) -> str:
    return on_console(width, lambda console: print_tables(data_of(run), console, detail=True))


def comparison(markdown: bool) -> str:
    """A run beside itself: nothing has changed, and every gate passes."""
    folder = RunFolder(RESULTS / "tasks")
    found = compare(side_of_run(folder, "base"), side_of_run(folder, "head"))
    judgements = judge(found, [parse_gate("step_ms=5%"), parse_gate("last-k*:peak_memory_bytes=10%")])
    if markdown:
        return comparison_to_markdown(found, judgements, only_changed=False)
    return on_console(120, lambda console: print_comparison(found, judgements, False, console))


DOCUMENTS: dict[str, Callable[[], str]] = {
    "reference-80.txt": lambda: table("reference", 80),
    "reference-240.txt": lambda: table("reference", 240),
    "reference.md": lambda: to_markdown(data_of("reference")),
    "reference.csv": lambda: to_csv(data_of("reference").records, data_of("reference").columns),
    "tasks-120.txt": lambda: table("tasks", 120),
    "tasks.md": lambda: to_markdown(data_of("tasks")),
    "compared-120.txt": lambda: comparison(markdown=False),
    "compared.md": lambda: comparison(markdown=True),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_what_it_was(name: str) -> None:
    file, made = GOLDEN / name, DOCUMENTS[name]().rstrip("\n") + "\n"
    if os.environ.get("TLBENCH_RENEW"):
        file.write_text(made, "utf-8")
    assert made == file.read_text("utf-8")
