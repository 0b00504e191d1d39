"""Datasets decoded once and kept between runs, and `tlbench cache`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from conftest import Cli, Finished


def photos(folder: Path, each: int = 20) -> Path:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            PIL.Image.fromarray(random.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(
                folder / name / f"{number}.png"
            )
    return folder


@pytest.fixture
def run(cli: Cli, tmp_path: Path) -> Any:
    """A short run with a cache of its own."""
    environment = {"TLBENCH_CACHE": str(tmp_path / "cache")}

    def run(*arguments: str) -> Finished:
        return cli(*arguments, environment=environment)

    return run


QUICK = ("run", "--backbones", "small_cnn", "--strategies", "scratch", "--epochs", "1", "--json")


@pytest.mark.slow
def test_a_dataset_is_kept_until_a_file_of_it_changes(run: Any, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    first, second = (run(*QUICK, "--datasets", f"folder:{folder}").records[0] for _ in range(2))
    info = json.loads(run("cache", "info", "--json").stdout)
    assert info["kinds"]["dataset"]["entries"] == 1
    assert info["kinds"]["dataset"]["in_use"] == 0
    assert first["data"]["prepare_seconds"] == second["data"]["prepare_seconds"] > 0  # what it took when it was done
    assert second["trial"]["id"] == first["trial"]["id"]

    changed = folder / "cat" / "0.png"
    PIL.Image.new("RGB", (9, 9)).save(changed)
    os.utime(changed, (1, 1))
    third = run(*QUICK, "--datasets", f"folder:{folder}").records[0]
    assert third["trial"]["cell"]["dataset_digest"] != first["trial"]["cell"]["dataset_digest"]
    assert json.loads(run("cache", "info", "--json").stdout)["kinds"]["dataset"]["entries"] == 2


@pytest.mark.slow
def test_a_damaged_file_is_decoded_again(run: Any, tmp_path: Path) -> None:
    first = run(*QUICK, "--datasets", "digits:train=96:test=60").records[0]
    (images,) = (tmp_path / "cache" / "stages" / "dataset").glob("*/train-images.npy")
    content = bytearray(images.read_bytes())
    content[-1] ^= 255
    images.write_bytes(content)
    second = run(*QUICK, "--datasets", "digits:train=96:test=60").records[0]
    assert second["trial"]["cell"]["dataset_digest"] == first["trial"]["cell"]["dataset_digest"]
    assert second["metrics"] == first["metrics"]


@pytest.mark.slow
def test_info_and_clear(run: Any, tmp_path: Path) -> None:
    assert "empty" in run("cache", "info").stdout
    run(*QUICK, "--datasets", "digits:train=96:test=60")
    assert "dataset: 1 entry" in run("cache", "info").stdout
    assert run("cache", "clear").stdout.startswith("1 entry removed")
    assert "empty" in run("cache", "info").stdout
