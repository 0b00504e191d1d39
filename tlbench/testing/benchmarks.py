"""Cells that tests use, handed to pytest-benchmark: they stand in its table, `--benchmark-json` and comparisons."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tlbench.api import Results
from tlbench.report.benchmark import benchmarks
from tlbench.report.of_run import report_data
from tlbench.results.store import RunFolder


def feed(config: pytest.Config, results: Results) -> None:
    """Add the times of each cell, where pytest-benchmark is installed and measures.

    It does not with --benchmark-disable, --benchmark-skip and under xdist. What is added was measured when the trials
    ran (`measured` in `extra_info`), which need not be in this session.
    """
    session = getattr(config, "_benchmarksession", None)
    if session is None or session.disabled or session.skip:
        return
    from pytest_benchmark.stats import Metadata

    measured = min(record.started for record in results).isoformat()
    for each in benchmarks(report_data(results.plan, RunFolder(results.folder), results.records)):
        about = {name: each[name] for name in ("name", "fullname", "group", "param", "params")}
        extra = each["extra_info"] | {"measured": measured}
        fixture = SimpleNamespace(**about, extra_info=extra, cprofile_stats=None, has_error=False)
        benchmark = Metadata(fixture, iterations=1, options=each["options"])  # type: ignore[no-untyped-call]
        for seconds in each["stats"]["data"]:
            benchmark.update(seconds)  # type: ignore[no-untyped-call]
        session.benchmarks.append(benchmark)
