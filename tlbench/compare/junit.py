"""A comparison as JUnit XML: a test case for each pair of cells, failed where one of its gates fell."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from tlbench.compare.changes import Comparison, Pair
from tlbench.compare.gates import Judgement
from tlbench.compare.shown import cells_alone, change_line, ended, gate_line
from tlbench.words import one_line, printable

CLASS = "tlbench compare"
"""The class of all cases: CI services follow a case from pipeline to pipeline by its class and name."""


def to_junit(comparison: Comparison, judgements: Sequence[Judgement]) -> str:
    """One suite, with failures where the command ends with status 3 alone: what one side does not have is skipped."""
    suites = ET.Element("testsuites", name=CLASS)
    suite = ET.SubElement(suites, "testsuite", name=one_line(f"{comparison.base.name} and {comparison.head.name}"))
    for pair in comparison.pairs:
        _case(suite, pair, [each for each in judgements if each.pair is pair])
    for name, what in cells_alone(comparison):
        case = _named(suite, name)
        ET.SubElement(case, "skipped", message="missing in head" if what == "missing" else "new in head, not in base")
    for count, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(count, str(sum(1 for _ in suite.iter(tag))))
    suite.set("errors", "0")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


def _case(suite: ET.Element, pair: Pair, judgements: Sequence[Judgement]) -> None:
    case = _named(suite, pair.name)
    properties = ET.SubElement(case, "properties")
    for name, change in pair.changes.items():
        for part, value in (("base", repr(change.base)), ("head", repr(change.head)), ("verdict", change.verdict)):
            ET.SubElement(properties, "property", name=one_line(f"{name}.{part}"), value=value)
    fallen = [gate_line(each) for each in judgements if each.fell]
    if fallen:
        failure = ET.SubElement(case, "failure", message=one_line(fallen[0]), type="gate")
        failure.text = printable("\n".join(fallen))
    elif pair.primary is None:
        base, head = ended(pair)
        said = ", ".join(f"{side}: {how}" for side, how in (("base", base), ("head", head)) if how)
        ET.SubElement(case, "skipped", message=one_line(f"no {pair.head.primary.heading} to compare; {said}"))
    told = [change_line(pair.primary)] if pair.primary else []
    ET.SubElement(case, "system-out").text = printable("\n".join([*told, *map(gate_line, judgements)]))


def _named(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=CLASS, name=one_line(name))
