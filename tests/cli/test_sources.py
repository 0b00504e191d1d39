"""Two-stage transfer: a backbone trained on a source dataset first, or a saved model, and then moved to the target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import Cli, Finished, Once, run_cli
from safetensors.torch import load_file

import tlbench

SMALL = ("--backbones", "small_cnn", "--epochs", "4", "--image-size", "32", "--weights", "random")
SOURCE = "digits:train=200:test=100"
TARGET = ("--datasets", "digit-grids:train=60:test=40")


@pytest.fixture(scope="module")
def run(once: Once) -> tuple[Path, Finished]:
    """Two strategies from scratch and from digits, on mosaics of digits; a source is trained once."""
    asked = ("--sources", f"pretrained,{SOURCE}", "--strategies", "freeze,full,scratch", "--seeds", "2")
    folder, finished = once(
        "two-stage",
        lambda folder: run_cli(
            *("run", *SMALL, *TARGET, *asked, "--save", "all", "--retention", "--name", "two", "--json"), cwd=folder,
            environment={"TLBENCH_CACHE": str(folder / "cache")},
        ),
    )  # fmt: skip
    assert finished.status == 0, finished.stderr
    return folder, finished


def cells(finished: Finished) -> set[tuple[str, str]]:
    return {
        (each["trial"]["cell"]["strategy"].split("/")[1], each["trial"]["cell"]["source"]) for each in finished.records
    }


def test_each_strategy_has_a_cell_for_each_source_and_scratch_has_one(run: tuple[Path, Finished]) -> None:
    assert cells(run[1]) == {
        ("freeze", "none"), ("freeze", "dataset"), ("full", "none"), ("full", "dataset"), ("scratch", "none"),
    }  # fmt: skip
    assert "trained first: small_cnn on packaged/digits:test=100:train=200 by full" in run[1].stderr
    assert "[source] small_cnn × digits:test=100:train=200 × full" in run[1].stderr
    assert "10 trials (5 cells × 2 seeds)" in run[1].stderr


def test_the_source_has_a_record_of_its_own_and_trials_name_it(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    (file,) = (folder / "results" / "two" / "sources").glob("*.json")
    source = json.loads(file.read_text("utf-8"))
    assert source["status"] == "ok" and source["trial"]["cell"]["dataset"] == "packaged/digits:test=100:train=200"
    for record in finished.records:
        if record["trial"]["cell"]["source"] == "dataset":
            assert record["source"] == {
                "kind": "dataset", "name": "packaged/digits:test=100:train=200", "trial": source["trial"]["id"],
                "strategy": "builtin/full", "metric": "accuracy", "value": source["metrics"]["test"]["accuracy"],
                "train_seconds": source["cost"]["train_seconds"] + source["cost"]["features_seconds"],
                "energy_joules": source["cost"]["energy_joules"],
                "peak_memory_bytes": source["cost"]["peak_memory_bytes"], "reused": False,
            }  # fmt: skip
            assert record["provenance"]["source"]["plugin"] == "packaged"
        else:
            assert record["source"] is None and record["trial"]["cell"]["source_model"] is None


def test_trials_begin_with_the_tensors_that_the_source_left(run: tuple[Path, Finished]) -> None:
    """The body of `freeze` stays what it was: that of the source model, tensor by tensor; its head is its own."""
    folder, finished = run
    (stage,) = (folder / "cache" / "stages" / "source").glob("*/model.safetensors")
    source = load_file(stage)
    moved = [
        each for each in finished.records
        if each["trial"]["cell"]["source"] == "dataset" and each["trial"]["cell"]["strategy"] == "builtin/freeze"
    ]  # fmt: skip
    assert len({each["weights"]["digest"] for each in moved}) == 1 and len(moved) == 2
    for record in moved:
        model = load_file(folder / "results" / "two" / "models" / record["trial"]["id"] / "model.safetensors")
        changed = {name for name in source if not torch.equal(model[name], source[name])}
        assert changed == {"classifier.weight", "classifier.bias"} and source.keys() == model.keys()


def test_the_table_has_the_cost_of_both_stages(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    table = run_cli("show", "two", cwd=folder).stdout
    assert "small_cnn from digits:test=100:train=200" in table
    assert "Source train" in table and "Both" in table
    assert "Train is of the target alone, Both includes training on the source." in table
    rows = {(row.strategy, row.cell.source): row.figures for row in tlbench.load(folder / "results" / "two").rows()}
    figures = rows["full", "dataset"]
    seconds = figures["train_with_features_seconds"]
    assert figures["source_train_seconds"] and seconds
    (record, *_) = (each for each in finished.records if each["source"])
    assert figures["source_train_seconds"] == record["source"]["train_seconds"]
    assert figures["train_with_source_seconds"] == pytest.approx(figures["source_train_seconds"] + seconds, rel=0.5)
    assert rows["full", "none"]["source_train_seconds"] is None


def test_another_run_takes_the_source_from_the_cache(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    arguments = ("--sources", "digits:train=200:test=100", "--strategies", "full", "--name", "again", "--json")
    again = run_cli(
        "run", *SMALL, *TARGET, *arguments, cwd=folder, environment={"TLBENCH_CACHE": str(folder / "cache")}
    )
    assert again.status == 0, again.stderr
    assert "from the cache" in again.stderr
    (record,) = again.records
    (same,) = (each for each in finished.records if each["trial"]["id"] == record["trial"]["id"])
    assert record["source"] == same["source"] | {"reused": True}
    assert record["metrics"]["test"] == same["metrics"]["test"]


def test_the_command_of_a_cell_gives_the_same_trial(run: tuple[Path, Finished]) -> None:
    from tlbench.plan.command import command_for

    plan = tlbench.load(run[0] / "results" / "two").plan
    said = {
        command_for(cell, plan.request).partition("--sources ")[2].split()[0]
        for cell in plan.cells
        if cell.source_model
    }
    assert said == {"packaged/digits:test=100:train=200"}
    assert all("--sources" not in command_for(cell, plan.request) for cell in plan.cells if not cell.source_model)


@pytest.mark.slow
def test_a_saved_model_is_a_source_of_its_own_backbone(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    saved = next(
        each["trial"]["id"] for each in finished.records
        if (each["trial"]["cell"]["strategy"], each["trial"]["cell"]["source"]) == ("builtin/full", "none")
    )  # fmt: skip
    source = f"saved:{folder / 'results' / 'two' / 'models' / saved}"
    target = ("--datasets", "digits:train=60:test=40", "--strategies", "full")
    moved = run_cli("run", *SMALL, *target, "--sources", source, "--json", cwd=folder)
    assert moved.status == 0, moved.stderr
    (record,) = moved.records
    assert record["trial"]["cell"]["source"] == "saved"
    assert record["source"]["name"] == f"saved/{saved}" and record["source"]["value"] is not None
    other = run_cli("run", *target, "--backbones", "efficientnet_lite0", "--sources", source, cwd=folder)
    assert other.status == 2 and "it is a packaged/small_cnn" in other.stderr


@pytest.mark.slow
def test_a_source_that_can_not_be_trained_fails_its_trials_and_no_others(cli: Cli) -> None:
    arguments = ("--sources", "pretrained,digits:train=200:test=100", "--strategies", "full", "--json")
    ended = cli("run", *SMALL, *TARGET, *arguments, "--optimizer", "sgd", "--lr", "1e20")
    assert ended.status == 1
    by_source = {each["trial"]["cell"]["source"]: each for each in ended.records}
    assert by_source["none"]["status"] == "diverged"
    failed = by_source["dataset"]
    assert failed["status"] == "failed" and failed["error"]["type"] == "SourceFailed"
    assert (
        "the source model of packaged/digits:test=100:train=200 could not be trained: diverged"
        in failed["error"]["message"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sources", "digits", "--datasets", "digits"), "can't serve packaged/small_cnn: it is the target"),
        (("--sources", "digitz"), "--sources 'digitz': unknown dataset 'digitz'"),
        (("--sources", "saved:nowhere"), "there is no saved model in nowhere"),
        (("--sources", ""), "--sources '': name at least one; pretrained is the backbone's own"),
        (("--sources", "digits", "--source-strategy", "side-tuning"), "it changes the model's structure; name one"),
        (("--sources", "digits", "--source-strategy", "freeze"), "it does not train the body"),
        (("--sources", "digits", "--source-strategy", "ful"), "unknown strategy 'ful'"),
        (("--source-epochs", "3"), "--source-epochs 3 is for a source dataset, and --sources pretrained names none"),
        (("--sources", "digits", "--source-epochs", "0"), "--source-epochs 0"),
    ],
)  # fmt: skip
def test_a_source_that_can_not_serve_is_refused_before_anything_runs(
    cli_here: Cli, arguments: tuple[str, ...], said: str
) -> None:
    target = () if "--datasets" in arguments else TARGET
    ended = cli_here("run", *SMALL, *target, "--strategies", "full", *arguments)
    assert ended.status == 2 and said in ended.stderr, ended.stderr


def test_a_source_that_is_one_of_the_targets_is_left_out_there_alone(cli_here: Cli) -> None:
    ended = cli_here(
        "run", *SMALL, "--datasets", "digits:train=60:test=40,digit-grids:train=60:test=40", "--strategies", "full",
        "--sources", "digits:train=60:test=40", "--dry-run", "--json",
    )  # fmt: skip
    assert ended.status == 0, ended.stderr
    plan = json.loads(ended.stdout)
    assert [cell["dataset"] for cell in plan["cells"]] == ["packaged/digit-grids:test=40:train=60"]
    assert "it is the target" in plan["left_out"][0]


def retentions(finished: Finished, strategy: str, source: str = "dataset") -> list[dict[str, object]]:
    return [
        record["retention"]
        for record in finished.records
        if record["trial"]["cell"]["strategy"].partition(":")[0] == f"builtin/{strategy}"
        and record["trial"]["cell"]["source"] == source
    ]


def test_forgetting_is_0_for_freeze_and_larger_for_full(run: tuple[Path, Finished]) -> None:
    freeze, full = retentions(run[1], "freeze"), retentions(run[1], "full")
    assert [each["forgetting"] for each in freeze] == [0, 0] and [each["probe_forgetting"] for each in freeze] == [0, 0]
    assert len({each["before"] for each in (*freeze, *full)}) == 1
    for each in full:
        assert each["before"] - each["after"] == pytest.approx(each["forgetting"]) and each["forgetting"] > 0.02
        assert each["metric"] == "accuracy" and each["test_images"] == 100 and each["reason"] is None


def test_before_is_what_the_source_model_got_of_its_own_test(run: tuple[Path, Finished]) -> None:
    for record in run[1].records:
        if record["source"] is not None:
            assert record["retention"]["before"] == record["source"]["value"]  # source and target have one image size


def test_retention_that_can_not_be_measured_says_why(run: tuple[Path, Finished]) -> None:
    for found in (*retentions(run[1], "full", "none"), *retentions(run[1], "freeze", "none")):
        assert found["before"] is None and "no published ones (random)" in str(found["reason"])
