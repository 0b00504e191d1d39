"""`tlbench doctor`, and the noise floor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli


def test_it_shows_the_machine_and_parses(cli: Cli) -> None:
    shown = cli("doctor", "--json")
    assert shown.status == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["device"] == "cpu"
    assert document["environment"]["packages"]["torch"]
    assert document["peak_flops_per_second"]["fp32"] > 1e8
    assert all({"problem", "remedy"} == set(finding) for finding in document["findings"])


@pytest.mark.slow
def test_noise_is_measured_on_a_real_cell_and_known_afterwards(cli: Cli, tmp_path: Path) -> None:
    environment = {"TLBENCH_CACHE": str(tmp_path / "cache")}
    measured = cli("doctor", "--noise", "--repeats", "2", "--json", environment=environment)
    assert measured.status == 0, measured.stderr
    spreads = json.loads(measured.stdout)["noise"]["spreads"]
    assert {"paid_seconds", "train_seconds", "step_ms", "images_per_second", "peak_memory_bytes"} <= spreads.keys()
    assert all(spread["n"] == 2 and spread["lowest"] <= spread["median"] for spread in spreads.values())
    table = cli("doctor", environment=environment).stdout
    assert "Noise floor, 2 repeats of one cell" in table
    assert "images_per_second" in table
    assert not (tmp_path / "results").exists()


def test_one_repeat_is_no_spread(cli: Cli) -> None:
    refused = cli("doctor", "--noise", "--repeats", "1")
    assert refused.status == 2
    assert "--repeats" in refused.stderr


def test_a_device_that_is_not_there(cli: Cli) -> None:
    refused = cli("doctor", "--device", "cuda:7")
    assert refused.status == 2
    assert "device 'cuda:7' is not available" in refused.stderr
