"""The recipe on the command line: what is asked for is done, recorded and said; what is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli

TINY = ("--datasets", "digits:train=60:test=40", "--batch-size", "20", "--epochs", "2")
RECIPE = {
    "--optimizer": "sgd", "--schedule": "constant", "--warmup": "0", "--weight-decay": "0.1", "--gradient-clip": "0",
    "--label-smoothing": "0.1", "--mixup": "0.2", "--cutmix": "1", "--ema": "0.9",
}  # fmt: skip


def test_a_recipe_is_one_for_all(cli: Cli, tmp_path: Path) -> None:
    options = [word for pair in RECIPE.items() for word in pair]
    arguments = ("--strategies", "freeze,last-k:k=1", *TINY, "--results", str(tmp_path), "--name", "recipe")
    finished = cli("run", *arguments, *options, "--class-weights", "--json")
    assert finished.status == 0, finished.stderr
    for record in finished.records:
        protocol = record["trial"]["cell"]["protocol"]
        assert (protocol["optimizer"], protocol["schedule"], protocol["warmup_share"]) == ("sgd", "constant", 0)
        assert (protocol["weight_decay"], protocol["gradient_clip"]) == (0.1, None)
        assert (protocol["label_smoothing"], protocol["mixup"], protocol["cutmix"]) == (0.1, 0.2, 1)
        assert (protocol["ema"], protocol["class_weights"]) == (0.9, True)
        (phase,) = record["cost"]["phases"]
        assert phase["features"]["reason"] == "the images are mixed at random"
        assert (
            record["learning_rate"]
            == {"builtin/freeze": 0.1, "builtin/last-k:k=1": 0.1}[record["trial"]["cell"]["strategy"]]
        )
    table = cli("show", "recipe", "--results", str(tmp_path)).stdout
    assert (
        "label smoothing 0.1, mixup 0.2, CutMix 1.0, all classes weighted alike, weights averaged (decay 0.9)" in table
    )
    assert "sgd (weight decay 0.1), constant schedule" in table


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--optimizer", "lion", "--optimizer 'lion': Input should be 'adamw' or 'sgd'"),
        ("--ema", "1.5", "--ema 1.5"),
        ("--label-smoothing", "1", "--label-smoothing 1.0"),
        ("--warmup", "-0.1", "--warmup -0.1"),
        ("--weight-decay", "nan", "--weight-decay nan"),
        ("--mixup", "-1", "--mixup -1.0"),
    ],
)
def test_a_bad_value_is_named(cli: Cli, option: str, value: str, said: str) -> None:
    finished = cli("run", option, value)
    assert finished.status == 2
    assert said in finished.stderr
