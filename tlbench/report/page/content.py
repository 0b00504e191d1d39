"""All that the page of a run knows, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from tlbench.plan.command import command_for
from tlbench.plan.plan import Plan
from tlbench.report.alarms import alarms
from tlbench.report.data import ReportData
from tlbench.report.footer import footer, heading
from tlbench.report.names import pair
from tlbench.report.over_datasets import OverDatasets, over_datasets
from tlbench.report.page.answer import answer, fronts
from tlbench.report.page.cell import cell_document, failures
from tlbench.report.page.details import Details
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.column import Column
from tlbench.results.columns import MetricColumn
from tlbench.results.unfinished import without_record

CHANGING = ("load_average", "swap_used_bytes", "other_gpu_processes", "boot_id")
"""What of an environment says nothing of the machine or the installation."""


Past = Mapping[tuple[str, ...], list[dict[str, Any]]]
"""By backbone, strategy, dataset and device, series of a cell's figures over runs."""
NO_PAST: Past = {}


def content(plan: Plan, data: ReportData, details: Details, past: Past) -> dict[str, Any]:
    """The page's document: columns, datasets with their answers, cells, mean ranks, failures, the environment."""
    found = tables(data)
    cells = [
        cell_document(table, number)
        | {"dataset": place, "command": command_for(row.cell, plan.request), "past": past.get(row.cell.key, [])}
        | details.of(row)
        for place, table in enumerate(found)
        for number, row in enumerate(table.rows)
    ]
    return {
        "run": plan.name,
        "unfinished": _unfinished(plan, data),
        "columns": _columns(found),
        "datasets": [_dataset(table) for table in found],
        "cells": cells,
        "thumbnails": details.thumbnails,
        "over": [_over(each) for each in over_datasets(found, data.suites)],
        "failures": [each for table in found for row in table.rows for each in failures(row)],
        "environments": _environments(data),
    }


def _unfinished(plan: Plan, data: ReportData) -> str:
    """What to say of trials of the cells shown that have no record; nothing of a finished run."""
    shown = {record.trial.cell_id for record in data.records}
    planned = [each for each in plan.trial_ids() if not shown or each.rpartition("-")[0] in shown]
    missing = len(set(planned) - {record.trial.id for record in data.records})
    if not missing:
        return ""
    return f"Not finished: {without_record(len(planned), missing)}."


def _columns(found: Sequence[DatasetTable]) -> list[dict[str, Any]]:
    by_name: dict[str, Column] = {}
    for table in found:
        for column in table.rows[0].columns:
            by_name.setdefault(column.name, column)
    return [
        {
            "name": each.name,
            "heading": each.heading,
            "better": each.better,
            "unit": each.unit,
            "description": each.description,
            "shown": each.tables,
            "metric": isinstance(each, MetricColumn),
        }
        for each in by_name.values()
    ]


def _dataset(table: DatasetTable) -> dict[str, Any]:
    first = table.rows[0]
    warnings = alarms(table)
    return {
        "name": table.dataset,
        "heading": heading(table),
        "metric": first.metric.name,
        "targets": first.data.names if first.data else [],
        "answer": answer(table),
        "fronts": fronts(table),
        "warnings": warnings,
        "notes": [line for line in footer(table) if line not in warnings],
    }


def _over(found: OverDatasets) -> dict[str, Any]:
    """The table of mean ranks, and what its critical-difference diagram is drawn of."""
    ranked = sorted(
        zip(map(pair, (each[0] for each in found.rows)), map(float, found.ranks.mean_ranks), strict=True),
        key=itemgetter(1),
    )
    return {
        "heading": found.heading,
        "headings": list(found.columns.values()),
        "rows": list(found.lines()),
        "notes": found.footer(),
        "ranks": ranked,
        "critical_difference": float(found.ranks.critical_difference),
    }


def _environments(data: ReportData) -> list[Mapping[str, Any]]:
    """The environment of each machine and installation that the records come from, without what changes by itself."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in data.records:
        if record.environment:
            kept = {name: value for name, value in record.environment.items() if name not in CHANGING}
            found.setdefault(repr(sorted(kept.items(), key=lambda item: item[0])), kept)
    return list(found.values())
