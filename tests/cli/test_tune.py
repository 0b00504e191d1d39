"""`--tune`: the same rates for every strategy, chosen on val, all of them in the record and in the cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli, PluginMaker


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


RATES = [0.0001, 0.001, 0.01]
DATA = ("--datasets", "digits:train=200:val=80:test=80", "--epochs", "2", "--backbones", "small_cnn")


@pytest.mark.slow
def test_the_rate_is_chosen_on_val_and_every_candidate_is_kept(cli: Cli) -> None:
    command = ("run", *DATA, "--strategies", "freeze,full", "--tune", "lr=1e-4,1e-3,1e-2", "--name", "tuned")
    done = cli(*command, "--json")
    assert done.status == 0, done.stderr
    for record in done.records:
        cell, cost = record["trial"]["cell"], record["cost"]
        assert (cell["learning_rate"], cell["tuned_rates"]) == (None, RATES)
        tried = record["tuning"]
        assert [each["learning_rate"] for each in tried] == RATES
        best = max(tried, key=lambda each: (each["val"], -each["val_loss"]))
        assert [each for each in tried if each["chosen"]] == [best]
        assert record["learning_rate"] == best["learning_rate"]
        assert record["metrics"]["val"]["accuracy"] == best["val"]
        assert [phase["learning_rate"] for phase in cost["phases"]] == RATES
        together = record["trial"]["cell"]["strategy"] == "builtin/freeze"
        assert cost["basis"] == ("attributed" if together else "measured")
        stages = ("train", "validate") if together else ("train", "features_paid", "validate", "measure")
        spent = sum(cost[f"{stage}_seconds"] or 0.0 for stage in stages)  # the speed of prediction is measured, too
        least = sum(cost[f"{stage}_seconds"] or 0.0 for stage in stages if stage != "measure")
        assert 0.9 * least <= sum(each["seconds"] for each in tried) <= 1.1 * spent
    table = cli("show", "tuned").stdout
    assert "Tuned: each seed chose on val among 0.0001, 0.001, 0.01; costs include all candidates." in table
    assert cli(*command).stderr.count("2 done already, 0 to go") == 1


@pytest.mark.slow
def test_multiples_are_of_each_strategys_own_rate(cli: Cli) -> None:
    command = ("run", *DATA, "--strategies", "freeze,full,ridge", "--tune", "lr=0.1x,1x,0.02", "--name", "multiples")
    own = {
        record["trial"]["cell"]["strategy"]: record["learning_rate"]
        for record in cli("run", *DATA, "--strategies", "freeze,full,ridge", "--json").records
    }
    done = cli(*command, "--json")
    tried = {record["trial"]["cell"]["strategy"]: record["trial"]["cell"]["tuned_rates"] for record in done.records}
    assert own["builtin/freeze"] != own["builtin/full"]
    assert tried.pop("builtin/ridge") == []
    for strategy, rates in tried.items():
        assert rates == [pytest.approx(0.1 * own[strategy], rel=1e-12), own[strategy], 0.02]
    shown = cli("show", "multiples", "--detail").stdout
    assert "each seed chose on val among its strategy's 3 learning rates" in shown
    assert all(f"small_cnn × {name[8:]}: " in shown for name in tried)
    assert all(f"(of {rates[0]:g}, {rates[1]:g}, 0.02)" in shown for rates in tried.values())
    assert cli(*command).stderr.count("3 done already, 0 to go") == 1


@pytest.mark.slow
def test_the_chosen_rate_gives_what_it_gives_alone(cli: Cli) -> None:
    (tuned,) = cli("run", *DATA, "--strategies", "full", "--tune", "lr=1e-2,1e-3", "--json").records
    (alone,) = cli("run", *DATA, "--strategies", "full", "--lr", str(tuned["learning_rate"]), "--json").records
    assert tuned["metrics"] == alone["metrics"]
    assert tuned["history"] == alone["history"]


@pytest.mark.slow
def test_heads_of_all_rates_and_seeds_in_one_product_give_what_each_gives_alone(cli: Cli) -> None:
    command = ("run", *DATA[:-1], "efficientnet_lite0", "--image-size", "32", "--strategies", "freeze", "--json")
    together = cli(*command, "--tune", "lr=1e-2,1e-3", "--seeds", "2").records
    assert [record["cost"]["product_heads"] for record in together] == [4, 4]
    for record in together:
        alone = cli(*command, "--lr", str(record["learning_rate"]), "--seeds", "2", "--features", "compute").records
        expected = alone[record["trial"]["seed"]]
        assert expected["cost"]["basis"] == "measured"
        ours, theirs = record["metrics"], expected["metrics"]
        assert ours["val"]["accuracy"] == theirs["val"]["accuracy"]
        for figure in ("accuracy", "balanced_accuracy", "macro_f1"):
            assert ours["test"][figure] == theirs["test"][figure]
        for figure in ("nll", "ece"):
            assert ours["test"][figure] == pytest.approx(theirs["test"][figure], rel=1e-4)
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
        losses = [[epoch["train_loss"] for epoch in each["history"]] for each in (record, expected)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_a_product_in_which_every_rate_of_a_seed_diverges_is_that_trials_failure(cli: Cli) -> None:
    done = cli("run", *DATA, "--strategies", "freeze", "--tune", "lr=1e36,1e37", "--seeds", "2", "--json")
    assert done.status == 1
    assert [record["status"] for record in done.records] == ["diverged", "diverged"]
    assert "a lower learning rate is the usual remedy" in done.records[1]["error"]["message"]


DYING = """
import os
from pathlib import Path
import tlbench.trial.batched
from tlbench import hookimpl

tlbench_api = 1
real = tlbench.trial.batched.train_heads

def dies(*arguments):
    Path("died").touch()
    os.kill(os.getpid(), 9)

tlbench.trial.batched.train_heads = dies

@hookimpl
def tlbench_register_strategies(register):
    pass
"""


@pytest.mark.slow
def test_what_goes_wrong_together_is_tried_one_by_one(cli: Cli, plugin: PluginMaker, tmp_path: Path) -> None:
    environment = plugin("dying", DYING).environment
    command = (
        "run",
        *DATA[:-1],
        "efficientnet_lite0",
        "--image-size",
        "32",
        "--strategies",
        "freeze",
        "--seeds",
        "3",
        "--json",
    )
    done = cli(*command, environment=environment)
    assert (tmp_path / "died").exists()
    assert done.status == 0, done.stderr
    assert [record["trial"]["seed"] for record in done.records] == [0, 1, 2]
    assert {record["cost"]["basis"] for record in done.records} == {"measured"}


@pytest.mark.slow
def test_a_rate_that_diverges_is_a_candidate_that_is_not_chosen(cli: Cli) -> None:
    done = cli("run", *DATA, "--strategies", "full", "--tune", "lr=1e30,1e-3", "--json")
    assert done.status == 0, done.stderr
    bad, good = done.records[0]["tuning"]
    assert (bad["val"], bad["chosen"]) == (None, False)
    assert good["chosen"] is True
    all_bad = cli("run", *DATA, "--strategies", "full", "--tune", "lr=1e30,1e31", "--json")
    assert [record["status"] for record in all_bad.records] == ["diverged"]


PEEKING = """
from tlbench import Train, hookimpl, strategy

tlbench_api = 1
seen = []

@strategy("counts", learning_rates={"adamw": 1e-3})
def counts(model, options):
    import gc
    from tlbench.data.batches import TrialData
    states = {each._test for each in gc.get_objects() if isinstance(each, TrialData)}
    assert states == {"shut"}, states
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    register(counts)
"""


def test_test_stays_shut_until_the_choice_is_made(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("peeking", PEEKING).environment
    command = ("run", *DATA, "--strategies", "counts", "--tune", "lr=1e-3,1e-2", "--json")
    (record,) = cli(*command, environment=environment).records
    assert record["status"] == "ok", record["error"]
    assert len(record["tuning"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tune", "lr=1e-3"), "there is nothing to choose between"),
        (("--tune", "epochs=1,2"), "is not of the form lr="),
        (("--tune", "lr=1e-3,-1"), "--tune -1: -1 is neither a positive learning rate nor a multiple"),
        (("--tune", "lr=1e-3,x"), "--tune 'x': x is neither a positive learning rate nor a multiple"),
        (("--tune", "lr=1e-3,0x"), "0x is neither"),
        (("--tune", "lr=2x,2.0x"), "there is nothing to choose between"),
        (("--tune", "lr=1e-3,1e-2", "--lr", "0.1"), "give --lr or --tune, not both"),
    ],
)
def test_bad_requests(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    refused = cli("run", *arguments)
    assert refused.status == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
