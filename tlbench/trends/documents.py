"""A history as a program reads it: JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from tlbench.compare.shown import change_document
from tlbench.trends.history import History, PastRun, Point, Series, Shift
from tlbench.words import spreadsheet_field


def to_json(history: History) -> str:
    """The history as one JSON document; times are in UTC."""
    document = {
        "runs": [_run(run) for run in history.runs],
        "cells": [
            {"cell": cell.name, "series": [_series(each) for each in cell.series], "not_measured": cell.not_measured}
            for cell in history.cells
        ],
        "warnings": history.warnings,
    }
    return json.dumps(document, indent=1)


def _run(run: PastRun) -> dict[str, Any]:
    return {
        "run": run.name,
        "folder": str(run.folder),
        "started": run.started.isoformat(),
        "tlbench": run.version,
        "commit": run.commit,
        "planned": run.planned,
        "recorded": run.recorded,
    }


def _series(series: Series) -> dict[str, Any]:
    figure = series.figure
    return {
        "column": figure.name,
        "heading": figure.heading,
        "unit": figure.unit,
        "better": figure.better,
        "interval": "95 %" if figure.metric else "lowest and highest seed",
        "series": series.number,
        "unlike": series.unlike,
        "machine": series.machine,
        "unsearched": series.unsearched,
        "points": [_point(point) for point in series.points],
        "change_points": [_shift(shift) for shift in series.shifts],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "run": point.run.name,
        "status": point.status,
        "seeds": point.seeds,
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "machine": point.machine,
        "boot_id": point.job,
        "change": None if point.change is None else change_document(point.change),
        "differs": point.differs,
    }


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "run": shift.run.name,
        "before": shift.before,
        "after": shift.after,
        "runs_before": shift.runs_before,
        "runs_after": shift.runs_after,
        "p_value": shift.p_value,
        "verdict": shift.verdict,
        "differs": shift.differs,
        "other_boot": shift.other_job,
    }


def to_csv(history: History) -> str:
    """A line for each figure of each cell in each run, null as an empty field."""
    rows = history.rows()
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_field(value) for name, value in row.items()} for row in rows)
    return file.getvalue().rstrip("\n")


def for_page(history: History) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """What the page of a report draws of each cell, by its key: series of more than one run."""
    return {cell.key: [_drawn(series) for series in cell.series if len(series.measured) > 1] for cell in history.cells}


def _drawn(series: Series) -> dict[str, Any]:
    return {
        "heading": series.figure.heading,
        "unit": series.figure.unit,
        "machine": series.machine,
        "points": [
            [each.run.name, f"{each.run.started:%Y-%m-%d}", each.value, each.low, each.high] for each in series.measured
        ],
        "shifts": [[each.run.name, each.verdict, each.before, each.after] for each in series.shifts],
    }
