"""JUnit XML and pytest-benchmark's JSON, read by a parser and by pytest-benchmark itself."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from builders import make_cell, make_failure, make_record, report_of

from tlbench.report.benchmark import to_benchmark
from tlbench.report.junit import to_junit

HOSTILE = "<b>\x1b[31m&\"'\n]]> \u202e=cmd()" + "x" * 300


def test_junit_has_a_case_for_each_cell_which_fails_where_a_trial_did_not_end_well() -> None:
    records = [
        *(make_record(make_cell("a/x"), seed, paid_seconds=2.5) for seed in (0, 1)),
        make_failure(make_cell("a/y"), message="no room", traceback="Traceback: y"),
    ]
    (suite,) = ET.fromstring(to_junit("mine", report_of(records)).partition("\n")[2])
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("packaged/digits", "2", "1")
    good, bad = suite
    assert (good.get("name"), good.get("time"), good.find("failure")) == ("x × freeze", "5.000", None)
    properties = {each.get("name"): each.get("value") for each in good.iter("property")}
    assert float(properties["accuracy"] or "") == 0.9
    failure = bad.find("failure")
    assert failure is not None and failure.get("message") == "seed 0: failed: no room"
    assert failure.text is not None and "Traceback: y" in failure.text


def test_hostile_names_and_messages_make_no_other_xml() -> None:
    records = [make_failure(make_cell(f"a/{HOSTILE}", dataset=HOSTILE), message=HOSTILE, traceback=HOSTILE)]
    (suite,) = ET.fromstring(to_junit(HOSTILE, report_of(records)).partition("\n")[2])
    assert [each.tag for each in suite.iter()] == ["testsuite", "testcase", "properties", "system-out", "failure"]


def test_the_statistics_are_pytest_benchmarks() -> None:
    from pytest_benchmark.stats import Stats

    values = [1.0, 1.1, 1.2, 1.3, 9.0, 0.9, 1.05]
    records = [make_record(make_cell(), seed, train_seconds=value) for seed, value in enumerate(values)]
    document = json.loads(to_benchmark(report_of(records)))
    found = next(each for each in document["benchmarks"] if each["group"] == "train_with_features_seconds")["stats"]
    expected = Stats()
    for value in values:
        expected.update(value)
    for name in ("min", "max", "mean", "stddev", "median", "total", "ops", "rounds"):
        assert found[name] == pytest.approx(getattr(expected, name)), name
    assert found["data"] == sorted(values)
    assert found["iqr"] == pytest.approx(statistics.quantiles(values, n=4, method="inclusive")[2] - found["q1"])


def test_pytest_benchmark_compares_two_runs(tmp_path: Path) -> None:
    for name, seconds in (("base", 2.0), ("head", 3.0)):
        records = [make_record(make_cell(), seed, train_seconds=seconds + seed) for seed in range(3)]
        (tmp_path / f"{name}.json").write_text(to_benchmark(report_of([*records, make_failure(make_cell("a/bad"))])))
    command = [
        sys.executable,
        "-m",
        "pytest_benchmark",
        "compare",
        "base.json",
        "head.json",
        "--columns=min,median,rounds",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("train[resnet18 × freeze]") == 2
    assert "3.0000" in done.stdout and "4.0000" in done.stdout
