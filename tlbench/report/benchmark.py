"""A run as a JSON document of pytest-benchmark, which its `compare` and the services that read it take."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from tlbench.report.data import ReportData
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.results.columns import COSTS

TIMES = tuple(column for column in COSTS if column.name in ("train_with_features_seconds", "step_ms"))
"""What is a benchmark of a cell: the time of its training, and that of a step."""
SCALE = {"seconds": 1.0, "ms": 1e-3}
FORMAT = "5.1.0"
"""The release of pytest-benchmark whose format it is."""


def to_benchmark(data: ReportData) -> str:
    """Two benchmarks for each cell, whose rounds are its seeds; metrics and other costs are in `extra_info`."""
    done = [record for record in data.records if record.environment]
    environment: dict[str, Any] = (done[0].environment if done else None) or {}
    document = {
        "machine_info": {
            "node": "", "processor": environment.get("cpu") or "", "machine": environment.get("platform") or "",
            "python_version": environment.get("python") or "", "system": "",
            "cpu": {"brand_raw": environment.get("cpu") or "", "count": environment.get("usable_cores")},
        },
        "commit_info": {"id": environment.get("git_commit") or "unknown", "dirty": False, "branch": "(unknown)"},
        "benchmarks": benchmarks(data),
        "datetime": min((record.started for record in data.records), default=None),
        "version": FORMAT,
    }  # fmt: skip
    return json.dumps(document, indent=1, default=str)


def benchmarks(data: ReportData) -> list[dict[str, Any]]:
    """The benchmarks alone, each as pytest-benchmark writes one."""
    return [found for row in data.rows() for found in _benchmarks(row)]


def _benchmarks(row: Row) -> list[dict[str, Any]]:
    found = []
    for column in TIMES:
        values = [value for record in row.records if record.status == "ok" and (value := column.value(record))]
        if values:
            seconds = [value * SCALE[column.unit] for value in values]
            name = f"{column.heading.lower()}[{pair(row)}]"
            found.append(_benchmark(row, column.name, name, seconds))
    return found


def _benchmark(row: Row, group: str, name: str, seconds: Sequence[float]) -> dict[str, Any]:
    params = {"backbone": row.cell.backbone, "strategy": row.cell.strategy, "dataset": row.cell.dataset}
    return {
        "group": group,
        "name": name,
        "fullname": f"{row.cell.dataset}::{name}",
        "params": params,
        "param": pair(row),
        "extra_info": {name: value for name, value in row.figures.items() if value is not None},
        "options": {
            "disable_gc": False, "timer": "perf_counter", "min_rounds": 1, "max_time": 0.0, "min_time": 0.0,
            "warmup": False,
        },
        "stats": _stats(sorted(seconds)),
    }  # fmt: skip


def _stats(seconds: list[float]) -> dict[str, Any]:
    """Statistics by the names and definitions of pytest-benchmark."""
    several = len(seconds) > 1
    q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive") if several else seconds * 3
    mean = statistics.fmean(seconds)
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    deviation = statistics.stdev(seconds) if several else 0.0
    outside = sum(not low <= each <= high for each in seconds)
    beyond = sum(abs(each - mean) > deviation for each in seconds)
    return {
        "min": seconds[0], "max": seconds[-1], "mean": mean, "stddev": deviation, "rounds": len(seconds),
        "median": median, "iqr": q3 - q1, "q1": q1, "q3": q3, "iqr_outliers": outside, "stddev_outliers": beyond,
        "outliers": f"{beyond};{outside}", "ld15iqr": min(each for each in seconds if each >= low),
        "hd15iqr": max(each for each in seconds if each <= high), "ops": 1 / mean, "total": sum(seconds),
        "iterations": 1, "data": seconds,
    }  # fmt: skip
