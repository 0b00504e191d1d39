"""`tlbench plugin check`: a file, an installed plugin, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli, PluginMaker

GOOD = """
from tlbench import ExtraMetric, Metric, hookimpl

tlbench_api = 1

def compute(kept):
    return float((kept["predicted"] == kept["labels"]).double().mean())

@hookimpl
def tlbench_register_metrics(register):
    register(ExtraMetric(Metric("right", "Right", "higher", "share"), ("single-label",), compute))
"""
BAD = GOOD.replace("return float(", "return 100 * float(")


def test_a_plugin_that_keeps_its_contracts_ends_with_0(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    finished = cli_here("plugin", "check", "mine.py")
    assert finished.status == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].split() == ["component", "check", "outcome"]
    assert any(
        line.split() == ["metric", "mine/right", "is", "a", "finite", "number", "in", "its", "range", "passed"]
        for line in lines
    )
    assert lines[-1].endswith("0 failed, 0 skipped")
    assert "metric mine/right: does not depend on the order of examples" in finished.stderr


def test_a_failed_check_is_a_sentence_and_the_status_1(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BAD)
    finished = cli_here("plugin", "check", "mine.py", "--quiet")
    assert (finished.status, finished.stderr) == (1, "")
    assert "failed: metric mine/right: of random predictions it is out of range: right is " in finished.stdout
    finished = cli_here("plugin", "check", "mine.py", "--json", "--only", "right")
    assert finished.status == 1
    document = json.loads(finished.stdout)
    assert document["counts"]["failed"] == 1
    failed = next(each for each in document["results"] if each["outcome"] == "failed")
    assert (failed["kind"], failed["component"], failed["check"]) == (
        "metric", "mine/right", "is a finite number in its range",
    )  # fmt: skip


def test_a_plugin_that_cannot_be_loaded_is_told_by_its_first_checks(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nothing_of_this_name\n")
    finished = cli_here("plugin", "check", "mine.py", "--json")
    assert finished.status == 1
    outcomes = {each["check"]: each["outcome"] for each in json.loads(finished.stdout)["results"]}
    assert outcomes.pop("can be loaded") == "failed"
    assert set(outcomes.values()) == {"skipped"}


@pytest.mark.slow
def test_an_installed_plugin_is_named_by_its_name_or_its_distribution(cli: Cli, plugin: PluginMaker) -> None:
    finished = cli("plugin", "check", "mine", "--json", environment=plugin("mine", GOOD).environment)
    assert finished.status == 0, finished.stderr
    assert {each["component"] for each in json.loads(finished.stdout)["results"]} == {"mine", "mine/right"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.py",), "nowhere.py: there is no such file"),
        (("packged",), "there is no installed plugin and no module named 'packged'; did you mean packaged?"),
        (("mine.py", "--only", "rihgt"), "plugin mine.py has no component 'rihgt'; did you mean right?"),
        (("packaged", "--only", "digits:train=many"), "option train of dataset packaged/digits is float"),
    ],
)
def test_a_mistake_is_one_sentence_and_the_status_2(
    cli_here: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    finished = cli_here("plugin", "check", *arguments)
    assert finished.status == 2
    assert said in finished.stderr.splitlines()[-1]
    assert finished.stdout == ""


def test_the_help_imports_nothing_heavy_and_says_what_it_does(cli_here: Cli) -> None:
    finished = cli_here("plugin", "check", "--help")
    assert finished.status == 0
    assert "PACKAGE|FILE" in finished.stdout
