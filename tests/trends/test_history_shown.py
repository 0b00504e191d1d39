"""A history in a terminal, as Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from made_runs import MACHINE, Runs
from nights import night, write_night
from rich.console import Console

from tlbench.trends.documents import to_csv, to_json
from tlbench.trends.history import History
from tlbench.trends.of_runs import history_of
from tlbench.trends.printed import print_history, to_markdown
from tlbench.trends.spark import can_show, sparkline


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def fallen(runs: Runs) -> History:
    """Twelve nights, from the seventh of which on the accuracy is lower."""
    for number in range(12):
        write_night(runs, number, 0.9 + 0.001 * (number % 3) - 0.05 * (number > 5))
    return history_of(None, (), runs.folder, ["accuracy"])


def printed(
    found: History, *, width: int = 100, in_short: bool = False, encoding: str = "utf-8", zone: Any = UTC
) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    print_history(found, in_short, Console(file=file, width=width, color_system=None, force_terminal=True), zone)
    file.seek(0)
    return "".join(f"{line.rstrip()}\n" for line in file.read().splitlines())


def test_a_terminal_has_a_row_a_run_bars_and_the_change_point(runs: Runs) -> None:
    said = printed(fallen(runs))
    lines = said.splitlines()
    assert lines[0] == "x × freeze"
    assert lines[2] == "Accuracy of 12 runs  ██████▁▁▁▁▁▁"
    assert lines[3].split() == ["Run", "Started", "Accuracy", "Change", "Verdict", "Shift"]
    assert lines[10].split()[:3] == ["night-06", "2026-03-07", "84.9%"]
    assert lines[10].split()[-2:] == ["worse", "worse"]
    assert "Change point: worse from night-06 (2026-03-07 02:30) on: mean 90." in said
    assert "Times are in UTC." in said


@pytest.mark.parametrize("columns", [["accuracy"], ["train_seconds"], ["peak_memory_bytes"]])
def test_a_narrow_terminal_has_each_run_in_a_line(runs: Runs, columns: list[str]) -> None:
    for number in range(12):
        changes = {"train_seconds": lambda seed: 123.4 + seed, "peak_memory_bytes": lambda seed: 2**30 + seed * 2**21}
        write_night(runs, number, 0.9 - 0.05 * (number > 5), **changes)
    said = printed(history_of(None, (), runs.folder, columns), width=80)
    assert max(map(len, said.splitlines())) <= 80
    rows = [line for line in said.splitlines() if line.startswith("night-")]
    assert len(rows) == 12 and all("2026-03-" in row for row in rows)


def test_times_are_in_the_zone_that_is_said(runs: Runs) -> None:
    for number, hours in enumerate((0, 3)):
        runs.write(str(number), {"x": 0.9}, started=night(0) + timedelta(hours=hours))
    said = printed(history_of(None, (), runs.folder, ["accuracy"]), zone=timezone(timedelta(hours=9), "JST"))
    assert "2026-03-01 11:30" in said and "2026-03-01 14:30" in said and "Times are in JST." in said


def test_an_encoding_without_bars_has_none(runs: Runs) -> None:
    assert "Accuracy of 12 runs\n" in printed(fallen(runs), encoding="ascii")
    assert can_show("utf-8") and not can_show("ascii") and not can_show("latin-1") and not can_show("nothing")


def test_bars_go_from_the_lowest_to_the_highest_value() -> None:
    assert sparkline([0.0, None, 7.0, 3.0], 10) == "▁ █▄"
    assert sparkline([9.0, 0.0, 7.0], 2) == "▁█"
    assert sparkline([2.0, 2.0], 10) == "▄▄"
    assert sparkline([None], 10) == ""


def test_several_cells_in_short_are_a_line_each(runs: Runs) -> None:
    for number in range(12):
        accuracies = {"x": 0.9 - 0.05 * (number > 5), "y": 0.8}
        runs.write(f"night-{number:02}", accuracies, started=night(number))
    found = history_of(None, (), runs.folder, ["accuracy"])
    lines = printed(found, in_short=True).splitlines()
    assert lines[0] == "2 cells over 12 runs"
    assert lines[2].split("  ")[0] == "x × freeze" and lines[2].endswith("Accuracy worse from night-06")
    assert lines[3].split("  ")[0] == "y × freeze" and lines[3].endswith("none")
    assert "Trend" in lines[1] and "Trend" not in printed(found, in_short=True, encoding="ascii")
    assert "| x × freeze | 12 | ██████▁▁▁▁▁▁ | 84." in to_markdown(found, in_short=True)


def test_what_differs_at_a_certain_change_is_said(runs: Runs) -> None:
    write_night(runs, 0, 0.9)
    write_night(runs, 1, 0.8, learning_rate=0.1)
    said = printed(history_of(None, (), runs.folder, ["accuracy"]))
    assert "night-01 differs from the run before: learning_rate 0.1 (was 0.003)." in said


def test_unlike_cells_have_a_line_above_their_table(runs: Runs) -> None:
    write_night(runs, 0)
    write_night(runs, 1, dataset_digest="11")
    said = printed(history_of(None, (), runs.folder, ["accuracy"]))
    assert "Another series from night-01 on: dataset_digest is 11, not 00\nAccuracy of 1 run  ▄\n" in said


def test_machines_are_numbered_and_other_boots_said(runs: Runs) -> None:
    for number in range(4):
        environment = MACHINE | {"cpu": "Xeon" if number == 3 else "EPYC", "boot_id": str(number)}
        write_night(runs, number, environment=environment)
    said = printed(history_of(None, (), runs.folder, ["accuracy", "train_seconds"]))
    assert "Train alone of 3 runs on M1" in said and "Train alone of 1 run on M2" in said
    assert "other boot" in said and "A cost's table has one machine and all its boots." in said
    assert "M2: Xeon, 2 cores, 2 threads" in said
    assert "No change points: too few runs (4 of 9)." in said


HOSTILE = "x|y<b>\x1b[31m\n=1"


def test_hostile_names_are_harmless(runs: Runs) -> None:
    environment = MACHINE | {"cpu": HOSTILE, "packages": {"tlbench": "=cmd|' /C calc'!A0"}}
    write_night(runs, 0)
    runs.write("=1|<b>\x1b[31m\n", {"x": 0.8}, started=night(1), environment=environment)
    found = history_of(None, (), runs.folder, ["accuracy", "train_seconds"])
    markdown = to_markdown(found, in_short=False, zone=UTC)
    for said in (printed(found), markdown, to_csv(found)):
        assert "\x1b" not in said
    assert "<b>" not in markdown
    heading = markdown.splitlines().index("| --- | --- | --- | --- | --- | --- | --- |")
    assert all(line.replace("\\|", "").count("|") == 8 for line in markdown.splitlines()[heading - 1 : heading + 3])
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert len(rows) == 4
    assert {row["tlbench"] for row in rows} == {"", "'=cmd|' /C calc'!A0"}
    assert json.loads(to_json(found))["runs"][1]["tlbench"] == "=cmd|' /C calc'!A0"


def test_json_has_points_and_change_points(runs: Runs) -> None:
    document = json.loads(to_json(fallen(runs)))
    (series,) = document["cells"][0]["series"]
    assert (series["column"], series["unit"], series["better"]) == ("accuracy", "share", "higher")
    assert len(series["points"]) == 12 and series["points"][6]["change"]["verdict"] == "worse"
    (change,) = series["change_points"]
    assert (change["run"], change["verdict"], change["runs_before"]) == ("night-06", "worse", 6)
    assert document["runs"][0]["started"] == "2026-03-01T02:30:00+00:00"
    assert document["warnings"] == []
