"""`tlbench run --config`: options from a file, over which flags win, and the file that every run leaves."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from conftest import Cli


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


BENCH = """
backbones = ["small_cnn"]
strategies = ["freeze", "full"]
datasets = ["digits:train=64:test=40"]
image_size = 16
epochs = 1
deterministic = true
"""


@pytest.mark.slow
def test_flags_win_over_the_file_and_a_run_can_be_started_again_from_what_it_leaves(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text(BENCH)
    printed = cli("run", "--config", "bench.toml", "--epochs", "2", "--print-config")
    assert printed.status == 0, printed.stderr
    assert not (tmp_path / "results").exists()
    resolved = tomllib.loads(printed.stdout)
    assert (resolved["epochs"], resolved["image_size"], resolved["deterministic"]) == (2, 16, True)
    assert resolved["batch_size"] == 32  # defaults are written out

    finished = cli("run", "--config", "bench.toml", "--strategies", "freeze", "--name", "first", "--json")
    assert finished.status == 0, finished.stderr
    (record,) = finished.records
    assert record["trial"]["cell"]["protocol"]["deterministic"] is True
    again = cli("run", "--config", "results/first/config.toml", "--name", "again", "--json")
    assert [each["trial"]["id"] for each in again.records] == [record["trial"]["id"]]


def test_mistakes_in_the_file_are_told_before_anything_runs(cli: Cli, tmp_path: Path) -> None:
    for text, said in (
        ("epoch = 3", "there is no option 'epoch'; did you mean epochs?"),
        ("epochs = 0", "--epochs 0: Input should be greater than or equal to 1"),
        ("epochs", "bench.toml is not TOML"),
    ):
        (tmp_path / "bench.toml").write_text(text)
        finished = cli("run", "--config", "bench.toml")
        assert finished.status == 2
        assert said in finished.stderr
