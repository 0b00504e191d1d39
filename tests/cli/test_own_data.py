"""Strategies of a stranger's plugin that train on views, on images without labels and on another dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from builders import make_cell
from conftest import QUICK, Cli, PluginMaker

from tlbench.plan.cell import OtherDatasetPlan


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
SOURCE = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
"""The plugin that the page is about."""


@pytest.mark.slow
def test_self_supervision_and_two_datasets_of_unlike_tasks(cli: Cli, plugin: PluginMaker) -> None:
    done = cli(
        *("run", *QUICK, "--strategies", "contrast,jointly", "--name", "own", "--save", "all", "--json"),
        environment=plugin("own", SOURCE).environment,
    )
    assert done.status == 0, done.stderr
    contrast, jointly = done.records
    assert [phase["images"] for phase in contrast["cost"]["phases"]] == [2 * 96, 96]
    assert contrast["trial"]["cell"]["other_datasets"] == []
    (other,) = jointly["trial"]["cell"]["other_datasets"]
    assert other["dataset"] == "packaged/digit-angles:test=10:train=40"
    assert other["task"] == "tasks/regression"
    assert other["train_images"] == 40
    assert len(other["digest"]) == 64
    assert jointly["notes"]["other"] == "40 images, 1 names"
    assert jointly["cost"]["phases"][0]["images"] == 96 + 32 + 8 + 32  # 40 images begin again after two batches

    again = cli("resume", "own", "--json", environment=plugin.environment)
    assert again.status == 0, again.stderr
    assert again.records == done.records


def test_another_datasets_digest_is_in_the_cells_id() -> None:
    def name(**changes: Any) -> str:
        values = {"dataset": "packaged/far", "digest": "1", "task": "tasks/regression", "train_images": 40}
        return make_cell(other_datasets=(OtherDatasetPlan(**(values | changes)),)).id

    assert name() not in (make_cell().id, name(digest="2"), name(options={"a": 1}))
    assert name() == name(train_images=41, test_images_shared=3)  # what follows from the digests


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("digitz", "strategy own/jointly: unknown dataset 'digitz'"),
        (
            "digits:train=96:test=60",
            "trains on packaged/digits:test=60:train=96 beside the target, and it is the target",
        ),
    ],
)
def test_datasets_that_cannot_serve_are_told_of_before_anything_runs(
    cli: Cli, plugin: PluginMaker, other: str, said: str
) -> None:
    source = SOURCE.replace("digit-angles:train=40:test=10", other)
    done = cli("run", *QUICK, "--strategies", "jointly", environment=plugin("own", source).environment)
    assert done.status == 2
    assert said in done.stderr


def test_test_images_among_another_datasets_training_images_are_told_of(cli: Cli, plugin: PluginMaker) -> None:
    source = SOURCE.replace("digit-angles:train=40:test=10", "digits:train=1400:test=100")
    done = cli("run", *QUICK, "--strategies", "jointly", environment=plugin("own", source).environment)
    assert done.status == 0, done.stderr
    said = "test images of packaged/digits:test=60:train=96 are among the training images of packaged/digits"
    assert said in done.stderr
    assert said in " ".join(done.stdout.split())
