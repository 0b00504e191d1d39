"""`tlbench run` as a person types it, on real weights and real images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from conftest import QUICK, Cli, Finished
from safetensors.numpy import load_file
from torchvision import models


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


Trained = tuple[Path, Finished]


def test_runs_the_cross_product_seed_by_seed(trained: Trained) -> None:
    records = trained[1].records
    done = [(record["trial"]["seed"], record["trial"]["cell"]["strategy"]) for record in records]
    assert done == [(0, "builtin/freeze"), (0, "builtin/full"), (1, "builtin/freeze"), (1, "builtin/full")]
    assert {record["status"] for record in records} == {"ok"}


def test_each_trial_leaves_a_record_and_its_predictions(trained: Trained) -> None:
    folder, finished = trained
    trials = folder / "results" / "trained" / "trials"
    assert len(list(trials.glob("*.json"))) == len(finished.records) == 4
    for record in finished.records:
        assert json.loads((trials / f"{record['trial']['id']}.json").read_text()) == record
        predictions = load_file(trials / record["predictions"])
        assert len(predictions["labels"]) == record["data"]["test_images"] == 100
        assert record["metrics"]["test"]["accuracy"] == (predictions["predicted"] == predictions["labels"]).mean()
    assert not list(trials.glob("*.tmp"))


def test_a_record_says_what_was_measured_and_leaves_the_rest_null(trained: Trained) -> None:
    freeze, full = trained[1].records[:2]
    cost = full["cost"]
    (phase,) = cost["phases"]
    assert phase["steps"] == 2 * 7  # 200 images in batches of 32, twice
    assert 1 <= cost["warmup_steps"] == phase["warmup_steps"] <= 7
    short = 2 if cost["warmup_steps"] < 7 else 1  # each epoch ends with a batch of 8
    assert phase["step_ms"]["n"] == phase["steps"] - cost["warmup_steps"] - short
    assert phase["step_ms"]["p05"] <= phase["step_ms"]["median"] <= phase["step_ms"]["p95"]
    assert cost["energy_joules"] is None
    assert cost["load_seconds"] + cost["train_seconds"] + cost["evaluate_seconds"] <= cost["paid_seconds"]
    assert freeze["cost"]["trainable_parameters"] == 1280 * 10 + 10
    assert full["cost"]["trainable_parameters"] == full["cost"]["total_parameters"]
    assert freeze["cost"]["peak_memory_bytes"] > 10 * 2**20
    assert freeze["weights"]["kind"] == "pretrained"
    assert freeze["weights"]["digest"] == full["weights"]["digest"]
    assert freeze["provenance"]["backbone"]["distribution"] == "tlbench"
    assert freeze["environment"]["packages"]["torch"]


def test_the_seed_draws_the_head_and_the_order(trained: Trained) -> None:
    first, second = trained[1].records[0], trained[1].records[2]
    assert first["metrics"]["train_loss"] != second["metrics"]["train_loss"]


def test_the_same_seed_gives_the_same_result(trained: Trained, tmp_path: Path, cli: Cli) -> None:
    folder, finished = trained
    again = cli(
        "run",
        "--name",
        "again",
        "--json",
        "--epochs",
        "2",
        "--image-size",
        "32",
        "--datasets",
        "digits:train=200:test=100",
    )
    for record, repeated in zip(finished.records, again.records, strict=False):
        assert repeated["trial"]["id"] == record["trial"]["id"]
        name = record["predictions"]
        before = load_file(folder / "results" / "trained" / "trials" / name)
        after = load_file(tmp_path / "results" / "again" / "trials" / name)
        if record["cost"]["basis"] == "measured":
            assert repeated["metrics"] == record["metrics"]
            assert all((before[key] == after[key]).all() for key in before)
        else:  # trained in one product with another seed: equal but for rounding
            assert repeated["cost"]["basis"] == "measured"
            assert repeated["metrics"]["train_loss"] == pytest.approx(record["metrics"]["train_loss"], rel=1e-6)
            assert (before["predicted"] == after["predicted"]).all()
            assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)


def test_the_table_and_where_it_goes(cli: Cli) -> None:
    finished = cli("run", *QUICK, "--strategies", "freeze,scratch", "--lr", "0.01")
    assert finished.status == 0
    table = finished.stdout
    assert "\x1b" not in table
    assert "packaged/digits:test=60:train=96" in table
    assert "Learning rates: 0.01 (freeze, scratch)." in table
    assert "random: no weights of small_cnn are published." in table
    assert "1 epoch, batch 32, 32 px" in table
    assert "records in results/" in finished.stderr
    assert "[1/2] small_cnn × digits:test=60:train=96 × freeze, seed 0: ok" in finished.stderr


@pytest.mark.slow
def test_without_network_a_cell_runs_from_random_weights_and_says_so(cli: Cli, tmp_path: Path) -> None:
    environment = {"TORCH_HOME": str(tmp_path / "empty")}
    finished = cli(
        *("run", "--backbones", "squeezenet1_1,efficientnet_lite0", "--strategies", "freeze", "--name", "offline"),
        *("--image-size", "32"),
        *("--datasets", "digits:train=64:test=40", "--epochs", "1"),
        environment=environment,
    )
    assert finished.status == 0
    announced, _, ran = finished.stderr.partition("[1/2]")
    assert "torchvision/squeezenet1_1 runs from RANDOM weights" in announced
    assert "squeezenet1_1" in ran
    row = next(line for line in finished.stdout.splitlines() if line.startswith("squeezenet1_1"))
    assert "RANDOM" in row
    assert "*" not in row
    assert "not ranked beside pretrained rows" in finished.stdout
    shown = cli("show", "offline", "--format", "json").records
    assert [record["weights"]["reason"] for record in shown] == ["unavailable", None]
    assert [record["trial"]["cell"]["source"] for record in shown] == ["none", "published"]


def test_strictly_pretrained_stops_before_anything_runs(cli: Cli, tmp_path: Path) -> None:
    environment = {"TORCH_HOME": str(tmp_path / "empty")}
    finished = cli("run", "--backbones", "squeezenet1_1", "--weights", "pretrained", environment=environment)
    assert finished.status == 2
    assert "the pretrained weights of torchvision/squeezenet1_1 are not available" in finished.stderr
    assert "--weights FILE" in finished.stderr
    assert not (tmp_path / "results").exists()


def test_dry_run_says_the_plan_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    finished = cli("run", *QUICK, "--strategies", "freeze,full", "--seeds", "3", "--dry-run", "--json")
    assert finished.status == 0
    plan = json.loads(finished.stdout)
    assert [cell["strategy"] for cell in plan["cells"]] == ["builtin/freeze", "builtin/full"]
    assert "6 trials (2 cells × 3 seeds)" in finished.stderr
    assert "small_cnn × digits:test=60:train=96 × full" in finished.stderr
    assert re.search(r"decoded images: \d+\.\d MiB on the disk", finished.stderr)
    assert re.search(r"training all of small_cnn: [1-9]\d* images/s", finished.stderr)
    assert re.search(r"time: at most about \d+\.\ds of training", finished.stderr)
    assert finished.stderr.endswith("nothing was run\n")
    assert not (tmp_path / "results").exists()


def test_dry_run_says_what_would_be_downloaded_and_downloads_nothing(cli: Cli, tmp_path: Path) -> None:
    options = ("--backbones", "squeezenet1_1", "--image-size", "32", "--datasets", "digits:train=60:test=30")
    environment = {"TORCH_HOME": str(tmp_path / "torch")}
    finished = cli("run", *options, "--weights", "pretrained", "--dry-run", environment=environment)
    assert finished.status == 0, finished.stderr
    said = "to be downloaded: weights torchvision/squeezenet1_1.IMAGENET1K_V1 from https://download.pytorch.org/models/"
    assert said in finished.stderr
    assert not (tmp_path / "torch").exists() or not list((tmp_path / "torch").rglob("*.pth"))


@pytest.mark.slow
def test_dry_run_downloads_no_dataset_and_decodes_a_sample_of_the_others(cli: Cli, tmp_path: Path) -> None:
    datasets = "cifar10,digits:train=1000:test=400"
    options = ("--backbones", "small_cnn", "--strategies", "full", "--image-size", "32", "--epochs", "2")
    environment = {"TLBENCH_CACHE": str(tmp_path / "cache")}
    finished = cli("run", *options, "--datasets", datasets, "--dry-run", "--json", environment=environment)
    assert finished.status == 0, finished.stderr
    assert "to be downloaded: dataset torchvision/cifar10; its trials are not counted below" in finished.stderr
    assert [cell["dataset"] for cell in json.loads(finished.stdout)["cells"]] == ["packaged/digits:test=400:train=1000"]
    assert "train 1,000 of 1,797 images, val 100 cut from train, test 400 cut from train" in finished.stderr
    assert "decoded images: 4.4 MiB on the disk" in finished.stderr  # 1,500 of 32 × 32 × 3 bytes
    assert not list((tmp_path / "cache").rglob("*.npy"))
    only = cli("run", *options, "--datasets", "cifar10", "--dry-run", "--json", environment=environment)
    assert (only.status, json.loads(only.stdout)["cells"]) == (0, [])
    assert only.stderr.endswith("nothing was run\n")


@pytest.mark.slow
def test_two_trials_at_once_give_what_they_give_alone(cli: Cli) -> None:
    options = ("run", *QUICK, "--strategies", "freeze,full", "--json")
    alone, together = cli(*options).records, cli(*options, "--jobs", "2").records
    assert [record["metrics"] for record in together] == [record["metrics"] for record in alone]
    assert [record["cost"]["concurrent_trials"] for record in alone + together] == [1, 1, 2, 2]


@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_weights_from_a_file(cli: Cli, tmp_path: Path, form: str) -> None:
    import torch
    from safetensors.torch import save_file
    from torchvision.models import resnet18

    state = resnet18(num_classes=7).state_dict()  # a head of other classes is left out
    file = tmp_path / f"mine.{form}"
    if form == "pt":
        torch.save({"state_dict": state}, file)
    else:
        save_file(state, file)
    finished = cli(
        *("run", "--backbones", "torchvision/resnet18", "--strategies", "freeze", "--weights", str(file), "--json"),
        *("--image-size", "32"),
        *("--datasets", "digits:train=64:test=40", "--epochs", "1"),
    )
    assert finished.status == 0, finished.stderr
    weights = finished.records[0]["weights"]
    assert weights["kind"] == "file"
    assert weights["name"].startswith(f"mine.{form}@")


def test_pretrained_weights_that_lie_in_torchvisions_own_cache(cli: Cli, tmp_path: Path) -> None:
    import torch
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    file = tmp_path / "home" / "hub" / "checkpoints" / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    file.parent.mkdir(parents=True)
    torch.save(squeezenet1_1().state_dict(), file)
    finished = cli(
        *("run", "--backbones", "squeezenet1_1", "--strategies", "freeze", "--weights", "pretrained", "--json"),
        *("--image-size", "32"),
        *("--datasets", "digits:train=64:test=40", "--epochs", "1"),
        environment={"TORCH_HOME": str(tmp_path / "home")},
    )
    assert finished.status == 0, finished.stderr
    assert finished.records[0]["weights"]["kind"] == "pretrained"
    assert finished.records[0]["weights"]["name"] == "torchvision/squeezenet1_1.IMAGENET1K_V1"


@pytest.mark.slow
def test_a_weights_file_is_judged_before_anything_runs_and_may_be_of_one_backbone(cli: Cli, tmp_path: Path) -> None:
    state = models.resnet18(num_classes=5).state_dict()
    wrapped = {"state_dict": {f"model.{name}": tensor for name, tensor in state.items()} | {"loss.w": torch.ones(1)}}
    torch.save(wrapped, tmp_path / "light.ckpt")
    options = ("--strategies", "freeze", "--image-size", "32", "--datasets", "digits:train=60:test=30", "--json")
    refused = cli("run", "--backbones", "torchvision/resnet18,small_cnn", "--weights", "light.ckpt", *options)
    assert refused.status == 2
    assert "backbone packaged/small_cnn: the tensors of" in refused.stderr
    assert "don't fit the backbone; missing: block1 (2 tensors)" in refused.stderr
    for name in ("resnet18", "torchvision/resnet18"):
        done = cli("run", "--backbones", "torchvision/resnet18,small_cnn", "--weights", f"{name}=light.ckpt", *options)
        assert "'state_dict', without the prefix 'model.', 1 tensor outside of it left out" in done.stderr
        assert [record["weights"]["kind"] for record in done.records] == ["file", "random"]
    for weights, said in (
        ("resnet18=none.pt", "'none.pt' is none of auto, pretrained, random"),
        ("vgg16=light.ckpt", "vgg16 is not among the backbones of this run"),
        ("resnet99=light.ckpt", "unknown backbone 'resnet99'"),
    ):
        refused = cli("run", "--backbones", "torchvision/resnet18", "--weights", weights, *options)
        assert refused.status == 2
        assert said in refused.stderr
