"""Which trials share a job is decided in the plan, by what a strategy says of itself; a wrong claim fails by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Finished, PluginMaker, run_cli

STRATEGIES = """
import os
import torch
from tlbench import Rewrite, Train, hookimpl, strategy

tlbench_api = 1
RATES = {"adamw": 1e-3}

@strategy("honest", learning_rates=RATES, head_only=True)
def honest(model, options):
    yield Train(model.head, lr=2)

@strategy("silent", learning_rates=RATES)
def silent(model, options):
    yield Train(model.head, lr=2)

@strategy("whole", learning_rates=RATES, head_only=True)
def whole(model, options):
    yield Train(model.everything)

@strategy("penalised", learning_rates=RATES, head_only=True)
def penalised(model, options):
    yield Train(model.head, penalty=lambda model: torch.zeros(()))

@strategy("twice", learning_rates=RATES, head_only=True)
def twice(model, options):
    yield Train(model.head)
    yield Rewrite(lambda model: None)

@strategy("dying", learning_rates=RATES, head_only=True)
def dying(model, options):
    if not os.path.exists("died"):
        open("died", "w").close()
        os.abort()
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    for each in (honest, silent, whole, penalised, twice, dying):
        register(each)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """Two seeds of each."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("together")
    environment = PluginMaker(site)("claims", STRATEGIES).environment
    arguments = ("--strategies", "honest,silent,whole,penalised,twice,dying", "--seeds", "2", "--json", "--name", "one")
    small = ("--datasets", "digits:train=96:test=60", "--epochs", "1", "--image-size", "32")
    return folder, run_cli("run", *small, *arguments, cwd=folder, environment=environment)


def of(run: tuple[Path, Finished], strategy: str) -> list[dict[str, object]]:
    return [each for each in run[1].records if each["trial"]["cell"]["strategy"] == f"claims/{strategy}"]


@pytest.mark.slow
def test_what_claims_to_train_the_head_alone_is_trained_together_and_gives_the_same(run: tuple[Path, Finished]) -> None:
    honest, silent = of(run, "honest"), of(run, "silent")
    assert [each["cost"]["product_heads"] for each in honest] == [2, 2]  # type: ignore[index]
    assert [each["cost"]["product_heads"] for each in silent] == [None, None]  # type: ignore[index]
    for ours, theirs in zip(honest, silent, strict=True):
        assert ours["metrics"]["test"]["nll"] == pytest.approx(theirs["metrics"]["test"]["nll"], rel=1e-4)  # type: ignore[index]


@pytest.mark.slow
def test_the_plan_says_which_cells_those_are(run: tuple[Path, Finished]) -> None:
    plan = json.loads((run[0] / "results" / "one" / "plan.json").read_text())
    claimed = {each["trial"]["cell_id"] for each in run[1].records} - {
        each["trial"]["cell_id"] for each in of(run, "silent")
    }  # type: ignore[index]
    assert set(plan["batched"]) == claimed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("whole", "a Train of something else"),
        ("penalised", "a Train of something else"),
        ("twice", "a second phase"),
    ],
)
def test_a_wrong_claim_fails_its_trials_by_name(run: tuple[Path, Finished], strategy: str, said: str) -> None:
    for record in of(run, strategy):
        assert record["status"] == "failed"
        message = record["error"]["message"]  # type: ignore[index]
        assert message.startswith(f"strategy claims/{strategy} states head_only, and yields {said}")


@pytest.mark.slow
def test_what_dies_together_is_tried_alone(run: tuple[Path, Finished]) -> None:
    assert [(each["status"], each["cost"]["basis"]) for each in of(run, "dying")] == [("ok", "measured")] * 2  # type: ignore[index]
