"""A comparison as JUnit XML, read by junitparser and by the standard library."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from builders import make_cell, make_failure
from junitparser import JUnitXml
from made_runs import Runs

from tlbench.compare.changes import Comparison, compare
from tlbench.compare.gates import judge, parse_gate
from tlbench.compare.junit import to_junit
from tlbench.compare.of_run import side_of_run


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    """One cell worse, one as before, one whose trials failed in head, one missing, one new."""
    runs = Runs(tmp_path)
    base = runs.write("base", {"lost": 0.9, "held": 0.7, "broken": 0.8, "gone": 0.5})
    head = runs.write("head", {"lost": 0.8, "held": 0.7, "broken": 0.8, "come": 0.5})
    for seed in range(3):
        head.write_record(make_failure(make_cell("a/broken"), seed, message="no room"))
    return compare(side_of_run(base, "base"), side_of_run(head, "head"))


def test_a_case_for_each_cell_which_fails_where_a_gate_fell(found: Comparison) -> None:
    document = to_junit(found, judge(found, [parse_gate("accuracy=1.0"), parse_gate("step_ms=5%")]))
    (suite,) = JUnitXml.fromstring(document.encode())
    assert (suite.name, suite.tests, suite.failures, suite.skipped, suite.errors) == ("base and head", 5, 1, 3, 0)
    lost, held, broken, gone, come = suite
    assert {case.classname for case in suite} == {"tlbench compare"}
    assert [case.name.removesuffix(" × freeze") for case in suite] == ["lost", "held", "broken", "gone", "come"]
    (failure,) = lost.result
    assert failure.type == "gate" and failure.message.startswith("Gate accuracy=1.0: FAILED: lost × freeze: -11.")
    assert failure.text.endswith("beyond the gate, and certain.")
    assert held.is_passed and "Gate accuracy=1.0: passed: held × freeze" in held.system_out
    cases = ET.fromstring(document.partition("\n")[2]).findall(".//testcase")
    properties = {each.get("name"): each.get("value", "") for each in cases[1].iter("property")}
    assert float(properties["accuracy.base"]) == float(properties["accuracy.head"]) == pytest.approx(0.7, abs=0.05)
    assert properties["accuracy.verdict"] == "tie"
    assert [case.result[0].message for case in (broken, gone, come)] == [
        "no Accuracy to compare; head: failed",
        "missing in head",
        "new in head, not in base",
    ]


def test_without_gates_nothing_fails(found: Comparison) -> None:
    (suite,) = JUnitXml.fromstring(to_junit(found, []).encode())
    assert (suite.tests, suite.failures, suite.skipped) == (5, 0, 3)


def test_hostile_names_make_no_other_xml(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    hostile = "<b>\x1b[31m&\"'\n]]> \u202e"
    side = side_of_run(runs.write("base", {hostile: 0.9}), hostile)
    document = to_junit(compare(side, side), [])
    assert "\x1b" not in document and "\u202e" not in document
    (suite,) = ET.fromstring(document.partition("\n")[2])
    assert {each.tag for each in suite.iter()} == {"testsuite", "testcase", "properties", "property", "system-out"}
