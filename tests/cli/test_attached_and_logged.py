"""A strategy with a projector of its own and a curve: the record, the saved model, the report, the trackers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import QUICK, Cli

CONTRASTED = """
import torch
from torch import nn
from tlbench import Train, hookimpl, strategy

tlbench_api = 1

@strategy("contrasted", learning_rates={"adamw": 1e-3, "sgd": 1e-1})
def contrasted(model, options):
    "Features of a class are drawn together by a projector, then the head is trained."
    width = model.linear_head.in_features
    projector = nn.Linear(width, 8)
    model.attach("projector", projector)
    assert model.task == "tasks/single-label" and len(model.classes) == 10

    def objective(seen):
        seen.outputs  # one forward pass
        drawn = nn.functional.normalize(projector(seen.features), dim=1)
        same = (seen.labels[:, None] == seen.labels).float()
        loss = nn.functional.mse_loss(drawn @ drawn.T, same)
        model.log("pull <b>", loss)
        return loss

    yield Train(model.everything, objective=objective)
    model.log("after", 1)
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    register(contrasted)
"""


@pytest.mark.slow
def test_a_projector_is_trained_and_left_out_and_what_is_logged_is_everywhere(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONTRASTED)
    command = ("run", *QUICK, "--plugin", "mine.py", "--strategies", "contrasted,full", "--name", "one", "--json")
    # without W&B, whose service stays behind in this process, and would be used by the commands of other tests
    finished = cli_here(*command, "--save", "all", "--reporters", "tensorboard,mlflow,jsonl")
    assert finished.status == 0, finished.stderr
    ours, full = finished.records
    pull, after = ours["curves"]["pull <b>"], ours["curves"]["after"]
    assert pull["steps"] == [0, 1, 2] and pull["phases"] == [0, 0, 0] and len(set(pull["values"])) == 3
    assert (after["phases"], after["steps"], after["values"]) == ([0], [3], [1.0])
    assert ours["cost"]["total_parameters"] == full["cost"]["total_parameters"]
    assert ours["cost"]["trainable_parameters"] > full["cost"]["trainable_parameters"]
    assert full["curves"] == {}

    predicted = cli_here("predict", f"one/{ours['trial']['id']}", "mine.py")
    assert predicted.status == 2  # no image, but the model itself is found
    shown = cli_here("show", "one", "--format", "html").stdout
    assert "pull <b>" not in shown.replace("\\u003cb", "") or "pull \\u003cb" in shown
    kinds = [json.loads(line) for line in (tmp_path / "results/one/trackers/events.jsonl").read_text().splitlines()]
    (told,) = [
        each["record"]["curves"] for each in kinds
        if each["event"] == "trial_finished" and each["record"]["curves"]
    ]  # fmt: skip
    assert told == ours["curves"]
    assert _tensorboard(tmp_path / "results/one/tensorboard") == [0, 1, 2]
    assert _mlflow(tmp_path) == [0, 1, 2]


def _tensorboard(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for file in sorted(folder.iterdir()):
        found = EventAccumulator(str(file))
        found.Reload()
        names = [name for name in found.Tags()["scalars"] if name.startswith("curve/pull")]
        if names:
            return [event.step for event in found.Scalars(names[0])]
    return []


def _mlflow(folder: Path) -> list[int]:
    from mlflow.tracking import MlflowClient

    (store,) = folder.rglob("*.db")
    client = MlflowClient(f"sqlite:///{store}")
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            names = [name for name in run.data.metrics if name.startswith("curve/pull")]
            if names:
                return [point.step for point in client.get_metric_history(run.info.run_id, names[0])]
    return []
