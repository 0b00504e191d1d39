"""`--precision auto`, `--compile`: what was measured, chosen and done stands in the record."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import QUICK, Cli

from tlbench.measure.cores import usable_cores


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


@pytest.mark.slow
def test_precision_is_chosen_by_measurement_once_and_recorded(cli: Cli, tmp_path: Path) -> None:
    environment = {"TLBENCH_CACHE": str(tmp_path / "cache")}
    command = ("run", *QUICK, "--strategies", "freeze,full", "--precision", "auto", "--name", "auto")
    done = cli(*command, "--json", environment=environment)
    assert done.status == 0, done.stderr
    assert done.stderr.count("trying number formats and memory layouts for packaged/small_cnn") == 1
    for record in done.records:
        tried = record["numerics"]
        assert [(each["precision"], each["memory_format"]) for each in tried] == [
            ("fp32", "contiguous"), ("fp32", "channels_last"), ("bf16", "contiguous"), ("bf16", "channels_last"),
        ]  # fmt: skip
        best = min((each for each in tried if each["exact_enough"]), key=lambda each: each["step_ms"])
        protocol = record["trial"]["cell"]["protocol"]
        assert protocol["auto_precision"] is True
        assert protocol["precision"] == best["precision"]
        assert protocol["memory_format"] == best["memory_format"]
        assert {"tf32_matmul", "tf32_cudnn"} <= record["environment"].keys()
    table = cli("show", "auto").stdout
    assert "each model's fastest precision and memory format" in table
    assert f"Fastest as measured: small_cnn {best['precision']} {best['memory_format']}." in table
    again = cli(*command[:-1], "other", "--dry-run", environment=environment)
    assert "trying number formats" not in again.stderr  # it is known by now
    elsewhere = {"TLBENCH_CACHE": str(tmp_path / "empty")}
    resumed = cli("resume", "auto", environment=elsewhere)
    assert resumed.status == 0, resumed.stderr
    assert "2 done already, 0 to go" in resumed.stderr
    assert "trying number formats" not in resumed.stderr  # a run keeps what it has chosen


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precisions_train(cli: Cli, precision: str) -> None:
    command = ("run", *QUICK, "--strategies", "freeze,full", "--precision", precision, "--image-size", "32")
    command = (*command, "--epochs", "2", "--json")
    freeze, full = cli(*command).records
    assert (freeze["status"], full["status"]) == ("ok", "ok")
    assert freeze["cost"]["phases"][0]["features"]["bytes"] == 96 * 512 * 2
    assert full["history"][-1]["train_loss"] < full["history"][0]["train_loss"]


@pytest.mark.slow
def test_compile_time_is_told_apart_from_the_steps(cli: Cli) -> None:
    command = ("run", *QUICK, "--strategies", "full", "--compile", "on", "--name", "compiled")
    done = cli(*command, "--json")
    assert done.status == 0, done.stderr
    cost = done.records[0]["cost"]
    compilation = cost["phases"][0]["compile"]
    assert compilation["used"] is True
    assert cost["compile_seconds"] > compilation["seconds"]
    assert cost["train_seconds"] < cost["compile_seconds"]
    assert "Compilation, not included in Train: small_cnn × full" in cli("show", "compiled").stdout
    (auto,) = cli("run", *QUICK, "--strategies", "full", "--compile", "auto", "--json").records
    assert auto["cost"]["phases"][0]["compile"]["used"] is False
    assert "don't repay" in auto["cost"]["phases"][0]["compile"]["reason"]
    info = cli("cache", "info").stdout
    assert "compiled code" in info


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--precision", "fp8"), "--precision 'fp8'"),
        (("--jobs", "many"), "--jobs 'many'"),
        (("--jobs", "0"), "--jobs 0"),
        (("--compile", "maybe"), "--compile 'maybe'"),
        (("--augment", "mirror"), "--augment"),
        (("--compile", "auto", "--deterministic"), "--compile auto decides by the clock"),
    ],
)
def test_bad_requests(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    refused = cli("run", *arguments)
    assert refused.status == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_jobs_auto_tries_and_marks_what_ran_side_by_side(cli: Cli) -> None:
    done = cli("run", *QUICK, "--strategies", "full,scratch", "--jobs", "auto", "--json")
    assert done.status == 0, done.stderr
    at_once = {record["cost"]["concurrent_trials"] for record in done.records}
    if usable_cores() > 1:
        assert "2 at once train" in done.stderr
    assert at_once == ({2} if "so they run at once" in done.stderr else {1})


def test_trials_at_once_are_marked(cli: Cli) -> None:
    cli("run", *QUICK, "--strategies", "full,scratch", "--jobs", "2", "--name", "two")
    table = cli("show", "two").stdout
    assert "s†" in table
    assert "†: up to 2 trials ran at once and slowed each other down." in table


@pytest.mark.slow
def test_a_dataset_that_the_cache_can_not_hold_is_streamed_with_the_same_result(cli: Cli, tmp_path: Path) -> None:
    command = ("run", *QUICK, "--strategies", "full", "--json")
    (kept,) = cli(*command).records
    environment = {"TLBENCH_CACHE": str(tmp_path / "small"), "TLBENCH_CACHE_LIMIT": "100k"}
    (streamed,) = cli(*command, environment=environment).records
    assert streamed["status"] == "ok", streamed["error"]
    assert (kept["data"]["streamed"], streamed["data"]["streamed"]) == (False, True)
    assert streamed["trial"]["id"] == kept["trial"]["id"]
    assert streamed["metrics"] == kept["metrics"]
    assert not list((tmp_path / "small").rglob("*-images.npy"))


@pytest.mark.slow
def test_augmented_images_are_not_cached_and_the_record_says_why(cli: Cli) -> None:
    command = ("run", *QUICK, "--strategies", "freeze", "--epochs", "2", "--augment", "flip,crop", "--name", "changed")
    (record,) = cli(*command, "--json").records
    assert record["status"] == "ok", record["error"]
    assert record["trial"]["cell"]["protocol"]["augment"] == ["crop", "flip"]
    assert record["cost"]["phases"][0]["features"]["reason"] == "the images are augmented at random"
    assert "crop and flip augmentation" in cli("show", "changed").stdout
    (again,) = cli(*command[:-1], "again", "--json").records
    assert again["metrics"] == record["metrics"]
    (plain,) = cli(*command[:-4], "--features", "compute", "--json").records
    assert plain["metrics"]["train_loss"] != record["metrics"]["train_loss"]
