"""The report's document and its page: answers, fronts, commands that repeat, names that stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_cell, make_failure, make_plan, make_record, table_of
from conftest import Cli
from made_runs import Runs

import tlbench
from tlbench.cli.options import given_values
from tlbench.plan.cell import ShiftPlan
from tlbench.plan.command import command_for
from tlbench.plan.request import COMPARED, make_request
from tlbench.report.of_run import report_data
from tlbench.report.page import to_html
from tlbench.report.page.answer import answer, fronts, pareto
from tlbench.report.page.mistakes import confusion, worst
from tlbench.results.store import RunFolder

RESULTS = Path(__file__).parents[3] / "results"
HOSTILE = "<script>alert(1)</script>{{content}}\x1b[31m\u202e=cmd()\n../x" + "y" * 300


def page_of(folder: RunFolder) -> str:
    plan = folder.plan()
    return to_html(plan, folder, report_data(plan, folder, folder.records()))


def content_of(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    document: dict[str, Any] = json.loads(found)
    return document


@pytest.fixture(scope="module")
def reference() -> str:
    return page_of(RunFolder(RESULTS / "reference"))


def test_the_answer_names_the_best_what_ties_with_it_and_the_fastest_of_these(tmp_path: Path) -> None:
    run = Runs(tmp_path).write("one", {"x": 0.9, "y": 0.899, "z": 0.7})
    found = content_of(page_of(run))["datasets"][0]["answer"]
    assert found[0].startswith("Best is x × freeze with 9") and found[0].endswith("; y × freeze ties with it.")
    assert found[1].startswith("Of these, ") and " trains fastest, in " in found[1]


def test_with_nothing_that_may_be_ranked_the_answer_says_so() -> None:
    table = table_of([make_failure(make_cell("a/x"))])
    assert answer(table) == ["No cell may be ranked: see the status of each, and the failures."]
    assert fronts(table) == []


def test_the_pareto_front_has_the_rows_that_none_beats_in_both() -> None:
    measured = {"cheap": (0.7, 1), "wasteful": (0.65, 5), "middle": (0.8, 3), "equal": (0.8, 4), "best": (0.9, 9)}
    records = [
        make_record(make_cell(f"a/{name}"), accuracy=value, train_seconds=float(seconds), features_seconds=None)
        for name, (value, seconds) in measured.items()
    ]
    rows = list(table_of(records).rows)
    front = pareto(rows, "train_with_features_seconds")
    assert [row.backbone for row in front] == ["cheap", "middle", "best"]


def test_each_cell_has_the_command_that_repeats_it(reference: str) -> None:
    plan = RunFolder(RESULTS / "reference").plan()
    for cell, shown in zip(plan.cells, content_of(reference)["cells"], strict=True):
        words = shlex.split(shown["command"])
        assert words[:2] == ["tlbench", "run"]
        flags = {name[2:].replace("-", "_"): value for name, value in zip(words[2::2], words[3::2], strict=True)}
        parted = {name: [value] if name in COMPARED else value for name, value in flags.items()}
        request = make_request(**given_values(parted))
        assert (request.backbones, request.strategies, request.datasets) == (
            (cell.backbone,), (cell.strategy,), (cell.dataset,),
        )  # fmt: skip
        assert (request.epochs, request.image_size, request.seeds) == (5, 96, 3)


def test_a_commands_odd_values_are_quoted_for_the_shell_and_for_tlbench() -> None:
    request = make_request(
        tune="lr=1x,3x", no_plugin=("timm", "peft"), augment="flip", class_weights=True, weights="auto"
    )
    cell = make_cell("a/x", "b/y", dataset="folder:cats, dogs;rm")
    words = shlex.split(command_for(cell, request))
    assert words[words.index("--datasets") + 1] == '"folder:cats, dogs;rm"'
    assert words[words.index("--tune") + 1] == "lr=1x,3x"
    assert words.count("--no-plugin") == 2 and "--class-weights" in words


def test_a_command_asks_for_what_the_cell_is_measured_on_besides() -> None:
    """A run of two datasets tests each on the other; a cell's command must not name its own."""
    far = ShiftPlan(dataset="folder:far, away", digest="1", test_images=5)
    request = make_request(corruptions="blur,noise", test_on=("near", '"folder:far, away"'))
    words = shlex.split(command_for(make_cell(dataset="near", test_on=(far,)), request))
    assert words[words.index("--test-on") + 1] == '"folder:far, away"'
    assert words[words.index("--corruptions") + 1] == "noise,blur"
    assert "--test-on" not in shlex.split(command_for(make_cell(), request))


@pytest.mark.slow
def test_a_cells_command_runs_and_gives_the_same_trial(cli: Cli, tmp_path: Path) -> None:
    data = ("--backbones", "small_cnn", "--datasets", "digits:train=96:test=20")
    arguments = (*data, "--strategies", "knn:k=3")
    first = cli("run", *arguments, "--epochs", "1", "--name", "first", "--json")
    plan = tlbench.load("first", tmp_path / "results").plan
    again = cli(*shlex.split(command_for(plan.cells[0], plan.request))[1:], "--json")
    assert [each["trial"]["id"] for each in again.records] == [each["trial"]["id"] for each in first.records]


def test_confusion_and_mistakes_are_those_of_the_predictions(reference: str) -> None:
    folder = RunFolder(RESULTS / "reference")
    for cell in content_of(reference)["cells"]:
        records = [each for each in folder.records() if each.trial.cell_id == cell["id"]]
        kept = [found for each in records if (found := folder.kept_predictions(each)) is not None]
        assert np.array(cell["confusion"]).sum() == 3 * 359
        right = sum(int((each["labels"] == each["predicted"]).sum()) for each in kept)
        assert np.trace(np.array(cell["confusion"])) == right
        confidences = [each["size"] for each in cell["mistakes"]]
        assert confidences == sorted(confidences, reverse=True)
        wrong = {int(i) for each in kept for i in each["indices"][each["labels"] != each["predicted"]]}
        assert {each["index"] for each in cell["mistakes"]} <= wrong


def test_mistakes_are_the_most_confident_and_each_image_is_told_once() -> None:
    kept = {
        "indices": np.array([4, 5, 6]), "labels": np.array([0, 1, 1]), "predicted": np.array([1, 1, 0]),
        "confidence": np.array([0.6, 0.9, 0.8]),
    }  # fmt: skip
    heading, found = worst([kept, kept], ["cat", "dog"])
    assert heading == "Most confident mistakes"
    assert [(each["index"], each["said"]) for each in found] == [
        (6, "cat (80.0%), is dog"), (4, "dog (60.0%), is cat"),
    ]  # fmt: skip
    assert confusion([kept, kept], 2) == [[0, 2], [2, 2]]


def test_mistakes_of_labels_and_of_numbers_are_told_by_name() -> None:
    labels = {
        "indices": np.array([0, 1]), "labels": np.array([[1, 0], [1, 1]]),
        "probabilities": np.array([[0.9, 0.7], [0.8, 0.05]]),
    }  # fmt: skip
    _, found = worst([labels], ["cat", "dog"])
    assert [each["said"] for each in found] == ["dog 5.0%, occurs", "dog 70.0%, does not occur"]
    numbers = {
        "indices": np.array([7, 8]),
        "labels": np.array([[10.0], [20.0]]),
        "predicted": np.array([[11.0], [45.0]]),
    }
    heading, found = worst([numbers], ["angle"])
    assert heading == "Largest errors"
    assert [each["said"] for each in found] == ["angle 45, is 20", "angle 11, is 10"]
    assert worst([{"indices": np.array([0]), "labels": np.array([1])}], ["cat"]) == ("", [])


def test_hostile_names_and_messages_are_text(tmp_path: Path) -> None:
    cell = make_cell(f"a/{HOSTILE}", f"b/{HOSTILE}", dataset=HOSTILE)
    run = RunFolder(tmp_path / "run")
    run.trials.mkdir(parents=True)
    run.write_plan(make_plan(cell, name=HOSTILE[:40]))
    run.write_record(make_failure(cell, message=HOSTILE))
    page = page_of(run)
    assert page.count("<script") == 2 and "alert(1)</script>" not in page
    assert "\x1b" not in page and "\u202e" not in page
    assert content_of(page)["cells"][0]["texts"]["backbone"].startswith(
        "a/<script>alert(1)</script>{{content}}\\x1b[31m"
    )


def test_the_page_asks_for_nothing_and_runs_its_own_script_alone(reference: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:|#)', reference) and "url(" not in reference
    (policy,) = re.findall(r"script-src 'sha256-([^']+)'", reference)
    script = reference.rpartition("<script>")[2].partition("</script>")[0]
    assert policy == base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_report_writes_the_page_beside_the_run_and_says_where(cli: Cli, tmp_path: Path) -> None:
    Runs(tmp_path / "results").write("one", {"x": 0.9})
    finished = cli("report", "one", "--no-open")
    assert finished.stdout.strip() == "results/one/report.html"
    written = (tmp_path / "results" / "one" / "report.html").read_text("utf-8")
    assert cli("show", "one", "--format", "html").stdout.strip() == written.strip()
    assert cli("report", "two", "--no-open").status == 2
    refused = cli("report", "one", "--no-open", "-o", "results/one/plan.json/x.html")
    assert refused.status == 2 and "can't be written" in refused.stderr


def test_a_filtered_page_has_the_filtered_cells(cli: Cli, tmp_path: Path) -> None:
    Runs(tmp_path / "results").write("one", {"x": 0.9, "y": 0.7})
    page = cli("show", "one", "--format", "html", "--filter", "backbone=x").stdout
    assert [cell["name"] for cell in content_of(page)["cells"]] == ["x × freeze"]


def test_a_cell_has_its_figures_over_the_runs_beside_it(cli: Cli, tmp_path: Path) -> None:
    runs = Runs(tmp_path / "results")
    for day, accuracy in enumerate((0.9, 0.85)):
        runs.write(f"night-{day}", {"x": accuracy}, started=datetime(2026, 1, 1 + day, tzinfo=UTC))
    (cell,) = content_of(cli("show", "night-1", "--format", "html").stdout)["cells"]
    accuracy, *costs = cell["past"]
    assert (accuracy["heading"], accuracy["machine"]) == ("Accuracy", None)
    assert [each[:2] for each in accuracy["points"]] == [["night-0", "2026-01-01"], ["night-1", "2026-01-02"]]
    assert [each[2] for each in accuracy["points"]] == pytest.approx([0.9, 0.85], abs=0.02)
    assert {each["heading"] for each in costs} == {"Train", "Step", "Memory"}
    assert content_of(page_of(RunFolder(tmp_path / "results" / "night-1")))["cells"][0]["past"] == []


def test_a_run_that_is_not_finished_says_so_on_its_page(tmp_path: Path) -> None:
    run = Runs(tmp_path).write("one", {"x": 0.9, "y": 0.7})
    assert "Not finished" not in page_of(run)
    records = run.records()
    (run.trials / f"{records[0].trial.id}.json").unlink()
    assert "Not finished: 1 of 6 planned trials has no record." in page_of(run)
    for record in records[1:]:
        (run.trials / f"{record.trial.id}.json").unlink()
    page = page_of(run)
    assert "Not finished: 6 of 6 planned trials have no record." in page and content_of(page)["cells"] == []
