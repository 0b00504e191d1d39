"""A run as JUnit XML, which CI services show: a test case for each cell, failed where a trial has not ended well."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from tlbench.report import text
from tlbench.report.data import ReportData
from tlbench.report.names import pair
from tlbench.report.rows import Row
from tlbench.report.tables import tables
from tlbench.words import one_line, printable


def to_junit(name: str, data: ReportData) -> str:
    """A suite for each dataset, with the metric and the costs of each cell as its properties."""
    suites = ET.Element("testsuites", name=one_line(name))
    for table in tables(data):
        counts = {"tests": str(len(table.rows)), "failures": str(sum(bool(row.reasons) for row in table.rows))}
        suite = ET.SubElement(suites, "testsuite", {"name": one_line(table.dataset), **counts, "errors": "0"})
        for row in table.rows:
            _case(suite, table.dataset, row)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


def _case(suite: ET.Element, dataset: str, row: Row) -> None:
    seconds = sum(record.cost.paid_seconds for record in row.records if record.cost)
    case = ET.SubElement(
        suite, "testcase", classname=one_line(dataset), name=one_line(pair(row)), time=f"{seconds:.3f}"
    )
    properties = ET.SubElement(case, "properties")
    for name, value in row.figures.items():
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=repr(value))
    ET.SubElement(case, "system-out").text = printable(
        f"{row.metric.heading} {text.metric(row.primary, row.metric.unit)}"
    )
    if row.reasons:
        failure = ET.SubElement(case, "failure", message=one_line(row.reasons[0]), type=one_line(row.status))
        failure.text = printable("\n".join([*row.reasons, *_traces(row)]))


def _traces(row: Row) -> Sequence[str]:
    return [record.error.traceback for record in row.records if record.error and record.error.traceback]
