"""A plugin's defaults of a run's options: of less weight than what is asked for, and told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli

PLUGIN = """
from tlbench import hookimpl

tlbench_api = 1

@hookimpl
def tlbench_run_defaults():
    return {given}
"""
DRY = ("run", "--dry-run", "--json", "--backbones", "small_cnn", "--datasets", "digits:train=96:test=60")


def planned(cli: Cli, folder: Path, given: object, *more: str) -> tuple[dict[str, object], str]:
    (folder / "tlbench_plugins.py").write_text(PLUGIN.format(given=given))
    finished = cli(*DRY, *more)
    assert finished.status == 0, finished.stderr
    return json.loads(finished.stdout)["request"], finished.stderr


def test_defaults_hold_where_nothing_is_asked_for(cli_here: Cli, tmp_path: Path) -> None:
    request, said = planned(cli_here, tmp_path, {"epochs": 3, "seeds": 2})
    assert (request["epochs"], request["seeds"]) == (3, 2)
    assert "defaults of plugin tlbench_plugins: epochs 3, seeds 2" in said


def test_what_is_asked_for_wins_in_flags_and_configurations(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text("seeds = 1\n")
    request, said = planned(cli_here, tmp_path, {"epochs": 3, "seeds": 2}, "--epochs", "4", "--config", "bench.toml")
    assert (request["epochs"], request["seeds"]) == (4, 1) and "defaults of plugin" not in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": 3}, "'epoch' is no option that a plugin can give; did you mean epochs?"),
        ({"plugin": ["x.py"]}, "'plugin' is no option that a plugin can give"),
        ({"epochs": "many"}, "--epochs 'many'"),
        ([1], "it gave a list; it must give options by name"),
    ],
)
def test_bad_defaults_are_a_fault_of_the_plugin_and_none_hold(
    cli_here: Cli, tmp_path: Path, given: object, said: str
) -> None:
    request, told = planned(cli_here, tmp_path, given)
    assert request["epochs"] is None
    assert "warning: plugin tlbench_plugins is left out: tlbench_run_defaults: " in told and said in told
