"""The recipe on the command line: what is asked for is done, recorded and said; what is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli, PluginMaker


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


TINY = ("--datasets", "digits:train=60:test=40", "--image-size", "32", "--batch-size", "20", "--epochs", "2")
RECIPE = {
    "--optimizer": "sgd", "--schedule": "constant", "--warmup": "0", "--weight-decay": "0.1", "--gradient-clip": "0",
    "--label-smoothing": "0.1", "--mixup": "0.2", "--cutmix": "1", "--ema": "0.9",
}  # fmt: skip


@pytest.mark.slow
def test_a_recipe_is_one_for_all(cli: Cli, tmp_path: Path) -> None:
    options = [word for pair in RECIPE.items() for word in pair]
    arguments = ("--strategies", "freeze,last-k:k=1", *TINY, "--results", str(tmp_path), "--name", "recipe")
    finished = cli("run", *arguments, *options, "--class-weights", "--json")
    assert finished.status == 0, finished.stderr
    for record in finished.records:
        protocol = record["trial"]["cell"]["protocol"]
        assert (protocol["optimizer"], protocol["schedule"], protocol["warmup"]) == ("sgd", "constant", 0)
        assert (protocol["weight_decay"], protocol["gradient_clip"]) == (0.1, 0)
        assert (protocol["label_smoothing"], protocol["mixup"], protocol["cutmix"]) == (0.1, 0.2, 1)
        assert (protocol["ema"], protocol["class_weights"]) == (0.9, True)
        (phase,) = record["cost"]["phases"]
        assert phase["features"]["reason"] == "the images are mixed at random"
        assert (
            record["learning_rate"]
            == {"builtin/freeze": 0.1, "builtin/last-k:k=1": 0.03}[record["trial"]["cell"]["strategy"]]
        )
    table = cli("show", "recipe", "--results", str(tmp_path)).stdout
    assert "label smoothing 0.1, mixup 0.2, CutMix 1, all classes weighted alike, weights averaged (decay 0.9)" in table
    assert "sgd (weight decay 0.1), constant schedule" in table


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--optimizer", "lion", "--optimizer 'lion': there is no optimizer of that name; there are adamw, sgd"),
        (
            "--memory-format",
            "nhwc",
            "--memory-format 'nhwc': Input should be 'auto', 'contiguous' or 'channels_last'",
        ),
        ("--ema", "1.5", "--ema 1.5"),
        ("--label-smoothing", "1", "--label-smoothing 1"),
        ("--warmup", "-0.1", "--warmup -0.1"),
        ("--weight-decay", "nan", "--weight-decay nan"),
        ("--mixup", "-1", "--mixup -1"),
    ],
)
def test_a_bad_value_is_named(cli: Cli, option: str, value: str, said: str) -> None:
    finished = cli("run", option, value)
    assert finished.status == 2
    assert said in finished.stderr


SEEN = """
import torch
from torch import nn
from tlbench import Backbone, hookimpl

tlbench_api = 1

class Seen(nn.Module):
    \"\"\"Says, by failing, if its images or its weights lie in memory other than contiguously.\"\"\"

    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, images):
        assert images.is_contiguous() and self.conv.weight.is_contiguous(), "not contiguous"
        return self.fc(self.conv(images).relu().mean((2, 3)))

@hookimpl
def tlbench_register_backbones(register):
    register("seen", lambda options: Backbone(lambda n, image_size, pretrained: Seen(n), head="fc"))
"""


@pytest.mark.slow
def test_the_memory_format_is_that_which_was_asked_for(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("seen", SEEN).environment
    command = ("run", *TINY, "--backbones", "seen", "--strategies", "full,freeze", "--json")
    contiguous = cli(*command, "--memory-format", "contiguous", "--name", "asked", environment=environment)
    assert contiguous.status == 0, contiguous.stderr
    assert {record["trial"]["cell"]["protocol"]["memory_format"] for record in contiguous.records} == {"contiguous"}
    assert "fp32, contiguous" in cli("show", "asked").stdout
    default, named = (
        cli(*command, *more, environment=environment) for more in ((), ("--memory-format", "channels_last"))
    )
    for records in (default.records, named.records):
        assert ["not contiguous" in record["error"]["message"] for record in records] == [True, True]
    ids = [[record["trial"]["id"] for record in each.records] for each in (default, named, contiguous)]
    assert ids[0] == ids[1] and not set(ids[0]) & set(ids[2])


@pytest.mark.slow
def test_the_fastest_precision_is_looked_for_in_the_memory_format_that_was_asked_for(cli: Cli) -> None:
    command = ("run", "--backbones", "small_cnn", "--strategies", "full", *TINY, "--precision", "auto")
    contiguous = cli(*command, "--memory-format", "contiguous", "--name", "own", "--json")
    (record,) = contiguous.records
    assert [(each["precision"], each["memory_format"]) for each in record["numerics"]] == [
        ("fp32", "contiguous"), ("bf16", "contiguous"),
    ]  # fmt: skip
    assert "each model's fastest precision, contiguous" in cli("show", "own").stdout
    other = cli(*command, "--memory-format", "channels_last", "--name", "own")
    assert other.status == 2
    assert "protocol.memory_format contiguous there, channels_last here" in other.stderr


TWICE = """
from tlbench import Train, hookimpl, strategy

tlbench_api = 1

@strategy("twice", learning_rates={"adamw": 1e-3}, passes=lambda options: 2.0, head_only=True)
def twice(model, options):
    yield Train(model.head, epochs=2)

@hookimpl
def tlbench_register_strategies(register):
    register(twice)
"""


@pytest.mark.slow
def test_a_budget_of_passes_holds_for_heads_that_are_trained_together(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("twice", TWICE).environment
    command = ("run", *TINY, "--strategies", "twice", "--seeds", "2", "--json")
    for budget, passes in (("epochs", 2.0), ("passes", 1.0)):
        records = cli(*command, "--budget", budget, environment=environment).records
        assert [record["cost"]["basis"] for record in records] == ["attributed"] * 2
        assert [record["cost"]["passes"] for record in records] == [passes] * 2
        assert [len(record["history"]) for record in records] == [2 * passes] * 2
