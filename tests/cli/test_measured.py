"""The figures of real trials, read off their records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUICK, Cli, Finished, run_cli
from safetensors.numpy import load_file


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


STAGES = ("load", "measure", "features_paid", "train", "validate", "evaluate", "save")


def test_stages_sum_to_the_trials_wall_time_within_2_percent(trained: tuple[Path, Finished]) -> None:
    measured = [record["cost"] for record in trained[1].records if record["cost"]["basis"] == "measured"]
    assert len(measured) == 2
    for cost in measured:
        total = sum(cost[f"{stage}_seconds"] or 0.0 for stage in STAGES)
        assert total == pytest.approx(cost["paid_seconds"], rel=0.02)


def test_costs_of_heads_trained_together_are_estimated_and_marked(trained: tuple[Path, Finished]) -> None:
    """Two seeds of `freeze` in one product: each has what it would have cost alone, and half of what both paid."""
    folder, finished = trained
    one, other = (each["cost"] for each in finished.records if each["cost"]["basis"] == "attributed")
    for cost in (one, other):
        assert cost["product_heads"] == 2
        assert cost["paid_seconds"] == one["paid_seconds"]
        (phase,) = cost["phases"]
        assert phase["steps"] == 14  # 200 images in batches of 32, 2 epochs
        assert cost["train_seconds"] > phase["step_ms"]["median"] * 14 / 1000
        assert cost["energy_joules"] is None
        assert cost["energy_reason"]
    assert "heads trained together saved" in finished.stderr
    table = run_cli("show", "trained", cwd=folder).stdout
    assert "~: estimated. The heads of freeze were trained together" in table
    assert " ~" in next(line for line in table.splitlines() if "freeze" in line)


def test_flops_memory_and_throughput_fit_together(trained: tuple[Path, Finished]) -> None:
    freeze, full = (record["cost"] for record in trained[1].records[:2])
    assert freeze["flops_per_image"] == full["flops_per_image"]
    head = 2 * 1280 * 10
    assert freeze["train_flops_per_image"] == 2 * head  # the body's features are computed once: a step is the head
    assert 2.8 * full["flops_per_image"] < full["train_flops_per_image"] < 3 * full["flops_per_image"]
    for cost in (freeze, full):
        assert cost["achieved_flops_per_second"] == pytest.approx(
            cost["train_flops_per_image"] * cost["phases"][0]["images_per_second"]
        )
        assert 0 < cost["peak_share"] < 1
        step_ms = cost["phases"][0]["step_ms"]
        assert step_ms["median_low"] <= step_ms["median"] <= step_ms["median_high"]
        assert cost["warmup_steps"] >= 1
        assert (cost["energy_joules"] is None) == (cost["energy_reason"] is not None)
    assert freeze["memory"]["gradients"] == 4 * (1280 * 10 + 10)
    assert full["memory"]["gradients"] == full["memory"]["parameters"] == 4 * full["total_parameters"]
    assert full["memory"]["optimizer"] > 2 * full["memory"]["parameters"]
    assert full["memory"]["activations"] > 20 * freeze["memory"]["activations"]
    assert full["phases"][0]["features"]["reason"] == "nothing is frozen"


@pytest.mark.slow
def test_features_are_computed_once_and_each_trial_says_what_they_cost_alone(cli: Cli, tmp_path: Path) -> None:
    environment = {"TLBENCH_CACHE": str(tmp_path / "cache")}
    command = (
        "run",
        "--datasets",
        "digits:train=200:test=60",
        "--image-size",
        "32",
        "--epochs",
        "2",
        "--strategies",
        "freeze",
    )
    once = cli(*command, "--json", environment=environment)
    done = cli(*command, "--json", environment=environment)
    first, second = once.records[0]["cost"], done.records[0]["cost"]
    features = [cost["phases"][0]["features"] for cost in (first, second)]
    assert [each["reused"] for each in features] == [False, True]
    assert features[0]["computed_seconds"] == features[1]["computed_seconds"]
    assert features[0]["bytes"] == 200 * 1280 * 4
    assert second["features_seconds"] > features[1]["computed_seconds"] > 0
    assert second["features_paid_seconds"] < second["features_seconds"]
    assert "shared features saved" in done.stderr
    info = json.loads(cli("cache", "info", "--json", environment=environment).stdout)
    assert info["kinds"]["features"]["entries"] == 3  # of train, val and test
    assert first["shared_seconds"] == 0
    assert second["shared_seconds"] > features[1]["shared_seconds"] > 0
    assert features[0]["peak_memory_bytes"] == features[1]["peak_memory_bytes"]
    assert second["peak_memory_bytes"] == pytest.approx(first["peak_memory_bytes"], abs=40 * 2**20)
    assert second["memory"]["features"] >= features[0]["peak_memory_bytes"]
    assert first["passes"] == second["passes"] == 1.0
    for cost in (first, second):
        train_seconds = cost["train_seconds"] + cost["features_seconds"]
        assert cost["images_per_second"] == pytest.approx(2 * 200 / train_seconds)
        assert cost["inference_images_per_second_one"] == cost["inference"][0]["images_per_second"]

    off = cli(*command, "--features", "compute", "--json", environment=environment).records[0]
    assert off["trial"]["id"] == done.records[0]["trial"]["id"]
    assert off["cost"]["phases"][0]["features"]["reason"] == "--features compute"
    assert off["metrics"]["train_loss"] == pytest.approx(done.records[0]["metrics"]["train_loss"], rel=1e-4)
    assert off["metrics"]["test"]["accuracy"] == pytest.approx(done.records[0]["metrics"]["test"]["accuracy"], abs=0.02)


def test_the_environment_is_in_every_record(trained: tuple[Path, Finished]) -> None:
    for record in trained[1].records:
        environment = record["environment"]
        assert environment["cpu"]
        assert environment["threads"] == 1
        assert environment["deterministic"] is False
        assert {"torch", "torchvision", "timm", "tlbench"} <= environment["packages"].keys()


def test_predictions_beside_the_record_give_its_figures(trained: tuple[Path, Finished]) -> None:
    folder, finished = trained
    for record in finished.records:
        kept = load_file(folder / "results" / "trained" / "trials" / record["predictions"])
        assert np.mean(kept["predicted"] == kept["labels"]) == pytest.approx(record["metrics"]["test"]["accuracy"])
        assert np.mean(kept["loss"]) == pytest.approx(record["metrics"]["test"]["nll"], rel=1e-5)
        right = kept["predicted"] == kept["labels"]
        assert kept["loss"][right] == pytest.approx(-np.log(kept["confidence"][right]), abs=1e-4)


def test_detail_splits_the_step(cli: Cli) -> None:
    (record,) = cli("run", *QUICK, "--strategies", "full", "--detail", "--epochs", "4", "--json").records
    (phase,) = record["cost"]["phases"]
    assert list(phase["parts_ms"]) == ["data", "forward", "backward", "optimizer"]
    assert all(value > 0 for value in phase["parts_ms"].values())


def memory(record: dict[str, Any]) -> dict[str, int]:
    parts: dict[str, int] = record["cost"]["memory"]
    return parts


@pytest.mark.slow
def test_a_small_model_after_a_large_one_has_its_own_memory(cli: Cli) -> None:
    options = (
        "--strategies",
        "full",
        "--datasets",
        "digits:train=96:test=60",
        "--image-size",
        "32",
        "--epochs",
        "1",
        "--json",
    )
    (alone,) = cli("run", "--backbones", "small_cnn", *options).records
    large, small = cli("run", "--backbones", "torchvision/resnet50,small_cnn", "--weights", "random", *options).records
    assert large["cost"]["peak_memory_bytes"] > 3 * small["cost"]["peak_memory_bytes"]
    assert memory(small) == memory(alone)
    noise = 20 * 2**20  # of resident pages; what a carried-over ResNet-50 would add is twenty times that
    assert small["cost"]["peak_memory_bytes"] == pytest.approx(alone["cost"]["peak_memory_bytes"], abs=noise)


@pytest.mark.slow
def test_deterministic_runs_are_equal_bit_for_bit_and_say_so(cli: Cli, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        command = ("run", *QUICK, "--strategies", "full", "--deterministic", "--name", name, "--json")
        (record,) = cli(*command).records
        assert record["environment"]["deterministic"] is True
        assert record["trial"]["cell"]["protocol"]["deterministic"] is True
        digests.append((tmp_path / "results" / name / "trials" / record["predictions"]).read_bytes())
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_what_is_not_to_vary_is_held_over_the_seeds(cli: Cli) -> None:
    held = cli("run", *QUICK, "--strategies", "full", "--seeds", "2", "--vary", "augmentation", "--json").records
    assert held[0]["metrics"] == held[1]["metrics"]  # nothing is random in this model's steps
    ordered = cli("run", *QUICK, "--strategies", "full", "--seeds", "2", "--vary", "order", "--json").records
    assert ordered[0]["metrics"]["train_loss"] != ordered[1]["metrics"]["train_loss"]
    assert ordered[0]["metrics"]["train_loss"] == held[0]["metrics"]["train_loss"]


@pytest.mark.slow
def test_the_best_epoch_is_chosen_on_val_and_stopping_is_early(cli: Cli) -> None:
    command = ("run", "--epochs", "12", "--backbones", "small_cnn", "--strategies", "full")
    data = ("--datasets", "digits:train=200:val=60:test=60", "--lr", "3e-3", "--patience", "2", "--json")
    (record,) = cli(*command, *data).records
    history = record["history"]
    accuracies = [epoch["val"] for epoch in history]
    best = accuracies.index(max(accuracies))
    assert [epoch["kept"] for epoch in history] == [number == best for number in range(len(history))]
    assert record["metrics"]["val"]["accuracy"] == max(accuracies)
    assert len(history) == min(12, best + 1 + 2)
    assert record["cost"]["validate_seconds"] > 0
