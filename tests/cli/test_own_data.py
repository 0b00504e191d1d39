"""Strategies of a stranger's plugin that train on views, on images without labels and on another dataset."""

from __future__ import annotations

from typing import Any

import pytest
from builders import make_cell
from conftest import QUICK, Cli, PluginMaker

from tlbench.plan.cell import OtherDatasetPlan

SOURCE = '''
from pydantic import Field
from tlbench import Options, Rewrite, Train, TrainData, hookimpl, strategy

tlbench_api = 1

def change(images):
    import torch
    return (images + 0.2 * torch.rand_like(images)).flip(-1 if torch.rand(()) < 0.5 else -2)

def nt_xent(features, temperature):
    """Chen et al. 2020, SimCLR, eq. 1: views x images x D."""
    import torch
    import torch.nn.functional as F
    rows = F.normalize(features.flatten(0, 1).flatten(1), dim=1)
    alike = rows @ rows.T / temperature
    alike.fill_diagonal_(float("-inf"))
    images = features.shape[1]
    return F.cross_entropy(alike, torch.arange(2 * images).roll(images))

@strategy("contrast", learning_rates={"adamw": 1e-3})
def contrast(model, options):
    """Contrast views of unlabelled images, then fit the head."""
    yield Train(model.body, objective=lambda seen: nt_xent(seen.by_view(seen.features), 0.5),
                data=TrainData(views=2, augment=change, labels=False))
    yield Train(model.head)

class Jointly(Options):
    """With what."""
    other: str = Field("digit-angles:train=40:test=10", description="another dataset")

@strategy("jointly", learning_rates={"adamw": 1e-3}, options=Jointly, datasets=lambda options: (options.other,))
def jointly(model, options):
    """Learn the target and another dataset, each with a head of its own, at the same time."""
    from torch import nn
    other = model.dataset(options.other)
    model.notes["other"] = f"{other.train_images} images, {len(other.classes)} names"
    def add(model):
        width = model.linear_head.in_features
        model.module.add_module("second", nn.Linear(width, other.objective.outputs))
    yield Rewrite(add)
    def objective(seen):
        (beside,) = seen.beside
        with seen.model.watched((), head_input=True) as given:
            seen.model.module(beside.images)
        outputs = seen.model.module.second(next(iter(given.values())))
        return seen.loss + other.objective.loss(outputs, beside.labels)
    yield Train(model.everything, objective=objective, beside=(TrainData(options.other),))
    yield Rewrite(lambda model: delattr(model.module, "second"))

@hookimpl
def tlbench_register_strategies(register):
    register(contrast)
    register(jointly)
'''


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
