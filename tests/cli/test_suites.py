"""Datasets that are compared over together: one split, one image size, and figures over all of them."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
from conftest import Cli, Finished, Once, PluginMaker, run_cli

import tlbench
from tlbench.contracts.suite import Suite
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

SMALL = """
from tlbench import hookimpl

tlbench_api = 1

@hookimpl
def tlbench_register_suites(register):
    register("small", ["digits", "digit-grids", "digits:test=50"], split={"train": 40, "val": 20}, summary="three")
    register("lacking", ["digits", "no-such-set"])
"""


@pytest.fixture(scope="module")
def run(once: Once) -> tuple[Path, Finished]:
    """Two strategies on a plugin's suite."""

    def make(folder: Path) -> Finished:
        (folder / "site").mkdir()
        environment = PluginMaker(folder / "site")("suites", SMALL).environment
        asked = ("--datasets", "suite:small", "--strategies", "full,freeze", "--test-size", "60", "--epochs", "3")
        small = ("--image-size", "32", "--name", "one")
        return run_cli("run", *small, *asked, cwd=folder, environment=environment)

    folder, finished = once("suites", make)
    assert finished.status == 0, finished.stderr
    return folder / "results" / "one", finished


def test_a_suite_is_its_members_with_one_split(run: tuple[Path, Finished]) -> None:
    plan = tlbench.load(run[0]).plan
    members = plan.suites["small"]
    assert members == (
        "packaged/digits:train=40:val=20", "packaged/digit-grids:train=40:val=20",
        "packaged/digits:test=50:train=40:val=20",
    )  # fmt: skip
    assert {cell.dataset for cell in plan.cells} == set(members)


def test_the_mean_over_a_suite_stands_under_its_tables(run: tuple[Path, Finished]) -> None:
    results = tlbench.load(run[0])
    assert "Over 3 datasets of the suite small" in run[1].stdout
    values = [
        row.primary.mean
        for row in results.rows()
        if row.strategy == "full" and row.cell.dataset in results.plan.suites["small"]
    ]
    assert f"{100 * fmean(values):.1f}% ±" in run[1].stdout.partition("of the suite small")[2]


def test_a_set_that_is_not_known_is_named_with_its_suite(cli_warm: Cli, plugin: PluginMaker) -> None:
    environment = plugin("suites", SMALL).environment
    ended = cli_warm("run", "--datasets", "suite:lacking", environment=environment)
    assert ended.status == 2 and "suite suites/lacking: unknown dataset 'no-such-set'" in ended.stderr


def test_an_unknown_suite_suggests_the_nearest(cli_here: Cli) -> None:
    ended = cli_here("run", "--datasets", "suite:offlin")
    assert ended.status == 2 and "unknown suite 'offlin'; did you mean offline?" in ended.stderr


def test_suites_are_listed_with_their_members(cli_here: Cli) -> None:
    listed = cli_here("list", "suites", "--json")
    found = {row["name"]: row["members"] for row in json.loads(listed.stdout)}
    assert found["torchvision/vtab-natural"][0] == "torchvision/caltech101:train=800:val=200"
    assert "packaged/digit-grids:train=800:val=200" in cli_here("list", "suites", "-v").stdout


@pytest.mark.parametrize("entry", list(Registry.of(load_plugins()).suites), ids=lambda entry: entry.qualified)
def test_each_member_of_a_built_in_suite_has_the_same_split(entry: object) -> None:
    registry = Registry.of(load_plugins())
    suite = registry.suites.resolve(entry.qualified).load()  # type: ignore[attr-defined]
    members = [registry.datasets.resolve(spec) for spec in suite.datasets]
    assert {tuple(member.options.model_dump(include={"train", "val"}).values()) for member in members} == {(800, 200)}


def test_a_suite_with_one_member_or_two_splits_is_none() -> None:
    with pytest.raises(ValueError, match="two members or more, and this one has 1"):
        Suite(("digits", "digits"))
    with pytest.raises(ValueError, match="digits:train=5 states train, which the suite's split does for all"):
        Suite(("digits:train=5", "digit-grids"), {"train": 800})
