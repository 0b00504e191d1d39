"""`tlbench list` and `tlbench show`: what there is, and what came out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import Cli, Finished, PluginMaker


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


GOOD = '''
from tlbench import Train, hookimpl, strategy

tlbench_api = 1

@strategy("good", learning_rates={"adamw": 1e-3})
def good(model, options):
    """A strategy of a stranger."""
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    register(good)
'''  # fmt: skip


def test_every_kind_with_its_provenance(cli: Cli) -> None:
    for kind, some in (
        ("backbones", {"torchvision/vgg16", "timm/resnet50", "timm/resnet50.a1_in1k", "packaged/small_cnn"}),
        ("datasets", {"packaged/digits", "packaged/folder", "torchvision/fashion-mnist", "torchvision/flowers"}),
        ("strategies", {"builtin/freeze", "builtin/full", "builtin/scratch"}),
    ):
        found = {row["name"]: row for row in json.loads(cli("list", kind, "--json").stdout)}
        assert some <= set(found)
        assert all(found[name]["distribution"] == "tlbench" and found[name]["plugin"] for name in some)


def test_all_of_torchvision_and_timm_is_there(cli: Cli) -> None:
    import timm
    from torchvision import models

    names = {row["name"] for row in json.loads(cli("list", "backbones", "--json").stdout)}
    assert {f"torchvision/{name}" for name in models.list_models(module=models)} <= names
    assert {f"timm/{name}" for name in timm.list_models()} <= names


def test_options_are_shown_with_their_types(cli: Cli) -> None:
    shown = cli("list", "datasets", "--search", "folder", "-v").stdout
    assert ":path=" in shown
    assert "Path, required" in shown
    assert ":train=" in shown


def test_a_strategy_says_what_it_is_and_cites(cli: Cli) -> None:
    (row,) = json.loads(cli("list", "strategies", "--search", "l2-sp", "--json").stdout)
    assert row["paper"].startswith("Li, Grandvalet & Davoine 2018")
    assert row["learning_rates"]["adamw"] == {"cnn": 3e-4, "cnn-without-norm": 1e-4, "transformer": 5e-5}
    assert set(row["learning_rates"]) == {"adamw", "sgd"}
    assert row["when"] and row["details"]
    assert [option["name"] for option in row["options"]] == ["alpha", "beta"]
    shown = cli("list", "strategies", "--search", "l2-sp", "-v").stdout
    assert "arXiv:1802.01483" in shown and "rates: adamw 0.0003 (cnn), 0.0001" in shown


def test_a_disabled_plugin_is_not_loaded(cli: Cli) -> None:
    names = json.loads(cli("list", "backbones", "--no-plugin", "timm", "--json").stdout)
    assert not [row for row in names if row["name"].startswith("timm/")]
    finished = cli("run", "--backbones", "timm/resnet18", "--no-plugin", "timm")
    assert finished.status == 2
    assert "no plugin named 'timm' has backbones" in finished.stderr
    states = {
        row["name"]: row["state"] for row in json.loads(cli("list", "plugins", "--no-plugin", "timm", "--json").stdout)
    }
    loaded = dict.fromkeys(
        ("builtin", "gridsmooth", "growth", "local", "packaged", "peft", "tasks", "torchvision", "trackers"), "loaded"
    )
    assert states == {**loaded, "timm": "disabled"}
    by_variable = cli("list", "plugins", "--json", environment={"TLBENCH_PLUGINS_DISABLED": "timm,packaged"}).stdout
    assert [row["name"] for row in json.loads(by_variable) if row["state"] == "disabled"] == ["packaged", "timm"]


def test_broken_plugins_are_reported_and_the_others_work(cli: Cli, plugin: PluginMaker) -> None:
    plugin("good", GOOD)
    plugin("crash", "raise OSError('a driver is missing')")
    plugin("future", GOOD.replace("tlbench_api = 1", "tlbench_api = 99"))
    plugin("silent", GOOD.replace("tlbench_api = 1", ""))
    plugin("typo", GOOD.replace("tlbench_register_strategies", "tlbench_register_strategy"))
    plugin("raises", GOOD.replace("register(good)", "register(1 / 0)"))
    listed = cli("list", "strategies", environment=plugin.environment)
    assert listed.status == 0
    assert "good/good" in listed.stdout
    assert "builtin/freeze" in listed.stdout
    for name, said in (
        ("crash", "OSError: a driver is missing"),
        ("future", "written for version 99 of the hooks and this tlbench speaks version 1"),
        ("silent", "add `tlbench_api = 1`"),
        ("typo", "tlbench_register_strategy"),
        ("raises", "tlbench_register_strategies: ZeroDivisionError"),
    ):
        line = next(line for line in listed.stderr.splitlines() if f"plugin {name} " in line)
        assert said in line
    states = json.loads(cli("list", "plugins", "--json", environment=plugin.environment).stdout)
    faulty = {row["name"] for row in states if row["state"] == "faulty"}
    assert faulty == {"crash", "future", "silent", "typo", "raises"}


def test_show_in_every_format(trained: tuple[Path, Finished], cli: Cli, tmp_path: Path) -> None:
    results = ("--results", str(trained[0] / "results"))
    records = trained[1].records
    assert cli("show", "trained", *results, "--format", "json").records == records
    rows = list(csv.DictReader(io.StringIO(cli("show", "trained", *results, "--format", "csv").stdout)))
    assert [float(row["accuracy"]) for row in rows] == [record["metrics"]["test"]["accuracy"] for record in records]
    markdown = cli("show", "trained", *results, "--format", "markdown").stdout
    assert "| efficientnet_lite0 | freeze | pretrained |" in markdown
    table = cli("show", "trained", *results).stdout
    assert "±" in table
    cli("show", "trained", *results, "-o", "table.txt")
    assert (tmp_path / "table.txt").read_text() == table
    by_folder = cli("show", str(trained[0] / "results" / "trained"))
    assert by_folder.stdout == table


def test_life_cycle_hooks_are_called_and_one_that_raises_harms_nobody(
    cli: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    plugin(
        "logger",
        """
from pathlib import Path
from tlbench import hookimpl
tlbench_api = 1
log = Path("calls.txt")
def write(text):
    log.write_text((log.read_text() if log.exists() else "") + text + "\\n")
@hookimpl
def tlbench_run_started(plan, folder): write(f"run_started {len(plan.cells)} {folder.name}")
@hookimpl
def tlbench_trial_started(trial): write(f"trial_started {trial.cell.strategy}")
@hookimpl
def tlbench_epoch_finished(trial, epoch, values): write(f"epoch {epoch} {values['train_loss'] > 0}")
@hookimpl
def tlbench_trial_finished(trial, record): write(f"trial_finished {record.status}")
@hookimpl
def tlbench_run_finished(plan, folder, records): write(f"run_finished {len(records)}")
""",
    )
    plugin(
        "bad",
        "from tlbench import hookimpl\ntlbench_api = 1\n"
        "@hookimpl\ndef tlbench_epoch_finished(trial, epoch, values): raise KeyError('mine')\n",
    )
    finished = cli(
        *("run", "--backbones", "small_cnn", "--strategies", "freeze", "--datasets", "digits:train=64:test=40"),
        *("--epochs", "2", "--name", "hooks"),
        environment=plugin.environment,
    )
    assert finished.status == 0
    assert (tmp_path / "calls.txt").read_text().splitlines() == [
        "run_started 1 hooks",
        "trial_started builtin/freeze",
        "epoch 1 True",
        "epoch 2 True",
        "trial_finished ok",
        "run_finished 1",
    ]
    assert finished.stderr.count("plugin bad raised in tlbench_epoch_finished: KeyError: 'mine'") == 1


def test_a_backbones_blocks_are_shown_with_their_stages_and_parameters(cli: Cli) -> None:
    shown = cli("list", "backbones", "torchvision/resnet18", "-v").stdout
    rows = {row[3]: row for line in shown.splitlines() if len(row := line.split()) > 3 and row[0].isdigit()}
    assert rows["relu"] == ["0", "0", "9,536", "relu", "conv1,", "bn1"]
    assert rows["layer2.0"] == ["3", "1", "230,144", "layer2.0"]
    assert rows["layer4.1"] == ["8", "3", "4,720,640", "layer4.1"]
    (row,) = json.loads(cli("list", "backbones", "efficientnet_lite0", "-v", "--json").stdout)
    assert row["name"] == "packaged/efficientnet_lite0"
    assert row["head"] == {"parameters": 1_281_000, "modules": ["classifier"]}
    assert [block["stage"] for block in row["blocks"]] == [0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6]
    assert row["blocks"][-1]["output"] == "blocks.6.0"
    assert row["blocks"][-1]["neck"] == ["conv_head", "bn2"]


def test_a_name_lists_one_or_those_that_contain_it(cli: Cli) -> None:
    assert [row["name"] for row in json.loads(cli("list", "backbones", "resnet18", "--json").stdout)] == [
        "torchvision/resnet18"
    ]
    several = [row["name"] for row in json.loads(cli("list", "strategies", "unfree", "--json").stdout)]
    assert several == ["builtin/gradual-unfreeze"]
    unknown = cli("list", "backbones", "resnet1888")
    assert unknown.status == 2
    assert "unknown backbone 'resnet1888'; did you mean" in unknown.stderr


BACKBONES = '''
import torch
from tlbench import Backbone, hookimpl
from tlbench.contracts import ModelSize, Weights

tlbench_api = 1

def build(num_classes, *, image_size, pretrained):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * image_size**2, num_classes))

def stated(options):
    weights = Weights("mine/1", lambda: None, licence="MIT", places=("/nowhere/mine.pth",), imagenet_accuracy=0.5)
    return Backbone(build, head="1", weights=weights, size=ModelSize(7, 9_000_000_000))

def broken(options):
    raise RuntimeError("no such file")

@hookimpl
def tlbench_register_backbones(register):
    register("counted", lambda options: Backbone(build, head="1", licence="BSD"))
    register("stated", stated)
    register("broken", broken)
'''  # fmt: skip


def test_backbones_are_listed_with_what_they_are_chosen_by(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("mine", BACKBONES).environment
    found = {
        row["name"]: row
        for row in json.loads(cli("list", "backbones", "mine/", "--json", environment=environment).stdout)
    }
    facts = ("parameters", "multiply_adds", "image_size", "imagenet_accuracy", "licence", "weights", "problem")
    linear = 3 * 224 * 224 * 1000
    assert [found["mine/counted"][name] for name in facts] == [linear + 1000, linear, 224, None, "BSD", "none", None]
    assert [found["mine/stated"][name] for name in facts] == [7, 9e9, 224, 0.5, "MIT", "to-download", None]
    assert found["mine/broken"]["problem"] == "RuntimeError: no such file"
    shown = cli("list", "backbones", "mine/", environment=environment)
    assert shown.status == 0
    assert "mine/stated" in shown.stdout and "50.0%" in shown.stdout and "to download" in shown.stdout
    assert "warning: mine/broken can't be used: RuntimeError: no such file" in shown.stderr
    assert "GMACs: multiply-adds" in shown.stderr


def test_weights_on_this_machine_are_told_from_those_to_download(cli: Cli, tmp_path: Path) -> None:
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "resnet18-f37072fd.pth").touch()
    environment = {"TORCH_HOME": str(tmp_path)}
    rows = json.loads(cli("list", "backbones", "torchvision/resnet", "--json", environment=environment).stdout)
    present = {row["name"]: row["weights"] for row in rows}
    assert present["torchvision/resnet18"] == "present"
    assert present["torchvision/resnet34"] == "to-download"
    (row,) = json.loads(cli("list", "backbones", "torchvision/resnet18", "--json").stdout)
    assert (row["parameters"], row["image_size"]) == (11_689_512, 224)
    assert row["imagenet_accuracy"] == 0.69758  # as torchvision's page of the model has it
