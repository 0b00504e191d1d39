"""`tlbench history` on the real command line, and `tlbench.history` in Python."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Cli
from made_runs import Runs

import tlbench


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Ten nights of two cells, of which one becomes worse at the sixth, and a damaged run."""
    folder = tmp_path / "results"
    runs = Runs(folder)
    for number in range(10):
        accuracies = {"x": 0.9 - 0.05 * (number > 4), "y": 0.8}
        started = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=number)
        runs.write(f"night-{number:02}", accuracies, started=started)
    (folder / "damaged").mkdir()
    (folder / "damaged" / "plan.json").write_text("{")
    return folder


def test_a_line_for_each_cell_and_one_cell_whole(cli: Cli, results: Path) -> None:
    found = cli("history")
    assert found.status == 0
    assert "Accuracy worse from night-05" in found.stdout and "y × freeze" in found.stdout
    assert found.stderr.splitlines() == [
        "warning: results/damaged/plan.json is not a tlbench document: Invalid JSON: EOF while parsing an object at "
        "line 1 column 1; the run is left out"
    ]
    one = cli("history", "x/freeze", environment={"TZ": "UTC"})
    assert one.status == 0 and "Change point: worse from night-05 (2026-03-06 00:00) on:" in one.stdout
    assert "\x1b" not in one.stdout and "y × freeze" not in one.stdout


def test_formats_and_a_file(cli: Cli, results: Path, tmp_path: Path) -> None:
    document = json.loads(cli("history", "x*", "--column", "accuracy", "--last", "9", "--format", "json").stdout)
    (series,) = document["cells"][0]["series"]
    assert (series["points"][0]["run"], len(series["points"])) == ("night-01", 9)
    assert cli("history", "x*", "--format", "csv", "-o", "x.csv").stdout == ""
    assert (tmp_path / "x.csv").read_text().startswith("cell,column,unit,series,run,started,")
    assert "| night-05 |" in cli("history", "x*", "--format", "markdown").stdout


def test_runs_are_named_behind_the_cell(cli: Cli, results: Path) -> None:
    found = cli("history", "*", "night-03", "results/night-01", "--format", "json")
    assert [run["run"] for run in json.loads(found.stdout)["runs"]] == ["night-01", "night-03"]


def test_mistakes_are_one_sentence_with_status_2(cli: Cli, results: Path) -> None:
    for arguments, said in (
        (("z",), "no cell matches 'z'; there are x × freeze, y × freeze"),
        (("x × freze",), "no cell matches 'x × freze'; did you mean x × freeze"),
        (("night-01",), "no cell matches 'night-01', which is a run; write tlbench history '*' night-01"),
        (("x", "night-99"), "there is no run 'night-99'"),
        (("x", "--column", "acuracy"), "there is no column 'acuracy'; did you mean accuracy"),
        (("x", "--results", "nowhere"), "there is no run in nowhere"),
        (("x", "--format", "csv", "-o", "nowhere/x.csv"), "can't be written"),
    ):
        found = cli("history", *arguments)
        assert found.status == 2 and found.stdout == ""
        assert found.stderr.startswith("error: ") and said in found.stderr and len(found.stderr.splitlines()) == 1


def test_the_same_in_python(results: Path) -> None:
    found = tlbench.history("x × freeze", results=results, columns=["accuracy"])
    assert isinstance(found, tlbench.History)
    assert [row["run"] for row in found.rows()] == [f"night-{number:02}" for number in range(10)]
    ((cell, series, shift),) = found.shifts
    assert (cell.name, series.figure.name, shift.run.name, shift.verdict) == (
        "x × freeze",
        "accuracy",
        "night-05",
        "worse",
    )
    assert repr(found) == "<tlbench.History of x × freeze: 10 runs>"
    one = tlbench.history("x", runs=results / "night-03", columns="accuracy,step_ms")
    assert [(row["run"], row["column"]) for row in one.rows()] == [("night-03", "accuracy"), ("night-03", "step_ms")]
    with pytest.raises(tlbench.UserError, match="no cell matches 'z'"):
        tlbench.history("z", results=results)
