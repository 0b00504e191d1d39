"""Plugins without a package: a file, a module, and the tlbench_plugins.py of the working folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import QUICK, Cli, PluginMaker

HEAD = """
from tlbench import Train, hookimpl, strategy

tlbench_api = 1
"""
STRATEGIES = (
    HEAD
    + """
import my_rates

@strategy("half", learning_rates={"adamw": my_rates.RATE, "sgd": 1e-1})
def half(model, options):
    "The head, for half of the epochs."
    yield Train(model.head, epochs=0.5)

@hookimpl
def tlbench_register_strategies(register):
    register(half)
"""
)
FOUR_KINDS = (
    HEAD
    + """
import numpy as np
from torch import nn
from tlbench import Backbone, Column, Dataset, Split

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
        self.fc = nn.Linear(8, classes)

    def forward(self, images):
        return self.fc(self.body(images).mean((2, 3)))

def images(number):
    draw = np.random.default_rng(0)
    pixels, labels = draw.integers(0, 256, (number, 8, 8, 3), np.uint8), np.arange(number) % 2
    return Split(labels, lambda place: pixels[place])

def dataset(options):
    return Dataset(("even", "odd"), images(60), 8, test=images(20), fingerprint="one")

@hookimpl
def tlbench_register_backbones(register):
    register("net", lambda options: Backbone(lambda n, image_size, pretrained: Net(n), head="fc"))

@hookimpl
def tlbench_register_datasets(register):
    register("noise", dataset)

@hookimpl
def tlbench_register_columns(register):
    register(Column("twice", "Twice", "seconds", None, lambda record: 2.0, "a figure of its own"))
"""
)
DIGITS = ("--datasets", "digits:train=96:test=60", "--epochs", "2", "--backbones", "small_cnn")


def write_strategies(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(STRATEGIES)
    (folder / "my_rates.py").write_text("RATE = 1e-3\n")


def test_a_strategy_in_a_file_runs_and_its_record_says_where_it_is_from(cli_here: Cli, tmp_path: Path) -> None:
    write_strategies(tmp_path / "code")
    finished = cli_here("run", *DIGITS, "--strategies", "half", "--plugin", "code/mine.py", "--json", "--name", "one")
    assert finished.status == 0, finished.stderr
    (record,) = finished.records
    origin = record["provenance"]["strategy"]
    assert record["trial"]["cell"]["strategy"] == "mine/half"
    assert (origin["plugin"], origin["distribution"], origin["local"]) == ("mine", "mine.py", True)
    assert origin["version"] == origin["source_digest"][:12]
    assert record["trial"]["cell"]["sources"] == {"strategy": origin["source_digest"]}
    assert len(record["provenance"]["backbone"]["source_digest"]) == 64
    assert f"using the plugin mine (mine.py, {origin['version']})" in finished.stderr

    again = cli_here("resume", "one")
    assert again.status == 0, again.stderr
    (tmp_path / "code" / "my_rates.py").write_text("RATE = 2e-3\n")  # what the file imports from beside it
    changed = cli_here("resume", "one")
    assert changed.status == 2
    assert "exists with a different plan (learning_rate 0.001 there, 0.002 here, " in changed.stderr
    (tmp_path / "code" / "my_rates.py").write_text("RATE = 1e-3  # a comment\n")
    changed = cli_here("resume", "one")
    assert "exists with a different plan (sources.strategy" in changed.stderr

    other = cli_here("run", *DIGITS, "--strategies", "half", "--plugin", "code/mine.py", "--name", "two")
    assert other.status == 0, other.stderr
    refused = cli_here("compare", "one", "two")
    assert refused.status == 2 and "the source of small_cnn × half has changed" in refused.stderr
    compared = cli_here("compare", "one", "two", "--changed-sources", "--format", "json")
    assert compared.status == 0, compared.stderr
    (cell,) = json.loads(compared.stdout)["cells"]
    assert any(each.startswith("plugin mine mine.py") for each in cell["differs"]), cell["differs"]


def test_the_plugin_of_the_working_folder_is_used_announced_and_switched_off(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "tlbench_plugins.py").write_text(FOUR_KINDS)
    command = ("run", "--backbones", "net", "--datasets", "noise", "--strategies", "full", "--epochs", "1", "--name")
    finished = cli_here(*command, "one")
    assert finished.status == 0, finished.stderr
    assert "using the plugin tlbench_plugins (tlbench_plugins.py, " in finished.stderr
    assert "twice" in cli_here("show", "one", "--format", "csv").stdout.partition("\n")[0]
    assert "twice" not in cli_here("show", "one", "--format", "csv", "--no-local-plugins").stdout.partition("\n")[0]
    document = json.loads((tmp_path / "results" / "one" / "plan.json").read_text())
    assert set(document["cells"][0]["sources"]) == {"backbone", "dataset"}
    refused = cli_here(*command, "two", "--no-local-plugins")
    assert refused.status == 2 and "unknown backbone 'net'" in refused.stderr
    disabled = cli_here("list", "datasets", "noise", environment={"TLBENCH_PLUGINS_DISABLED": "tlbench_plugins"})
    assert disabled.status == 2


@pytest.mark.slow
def test_a_module_is_a_plugin_and_can_stand_in_the_configuration(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "site" / "pack").mkdir(parents=True)
    (tmp_path / "site" / "pack" / "__init__.py").touch()
    (tmp_path / "site" / "pack" / "taught.py").write_text(FOUR_KINDS)
    (tmp_path / "bench.toml").write_text('plugin = ["pack.taught"]\nbackbones = "taught/net"\n')
    path = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(path)}
    finished = cli(
        *("run", "--config", "bench.toml", "--datasets", "digits:train=96:test=60", "--epochs", "1", "--json"),
        environment=environment,
    )
    assert finished.status == 0, finished.stderr
    assert {record["trial"]["cell"]["backbone"] for record in finished.records} == {"taught/net"}
    assert finished.records[0]["provenance"]["backbone"]["distribution"] == "pack.taught"


def test_what_a_local_plugin_registers_is_listed(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FOUR_KINDS)
    (row,) = json.loads(cli_here("list", "backbones", "mine", "--plugin", "mine.py", "--json").stdout)
    assert (row["name"], row["parameters"]) == ("mine/net", 224 + 9 * 1000)
    rows = json.loads(cli_here("list", "plugins", "--plugin", "mine.py", "--json").stdout)
    by_name = {row["name"]: row for row in rows}
    mine = by_name["mine"]
    assert mine["registers"] == {"backbones": ["net"], "datasets": ["noise"], "columns": ["twice"]}
    assert (mine["state"], mine["api"], mine["faults"], mine["local"]) == ("loaded", 1, [], True)
    assert 0 <= mine["load_seconds"] < 60
    assert by_name["timm"]["registers"]["backbones"][-1].startswith("family: ")
    shown = cli_here("list", "plugins", "mine", "--plugin", "mine.py", "-v").stdout
    assert "backbones: net" in shown and "hooks of version 1" in shown


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "it does not state the hook version it was written for; add `tlbench_api = 1`"),
        ("tlbench_api = 1\nraise RuntimeError('no GPU')", "RuntimeError: no GPU (line 2)"),
        ("tlbench_api = 1\nimport sys\nsys.exit(3)", "SystemExit: 3 (line 3)"),
        ("tlbench_api = 1\nimport nothing_of_that_name", "No module named 'nothing_of_that_name' (line 2)"),
        ("tlbench_api = 1\ndef tlbench_register_tasks(register): ...", "is not marked as an implementation"),
        ("def broken(:", "SyntaxError: invalid syntax (mine.py, line 1)"),
    ],
)
def test_a_local_plugin_that_can_not_be_loaded_stops_the_run(
    cli_here: Cli, tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(source)
    finished = cli_here("run", *QUICK, "--plugin", "mine.py")
    assert finished.status == 2 and finished.stdout == ""
    assert f"plugin {tmp_path / 'mine.py'} can't be loaded: " in finished.stderr and said in finished.stderr


def test_the_plugin_of_the_folder_says_how_to_do_without_it(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "tlbench_plugins.py").write_text("1/0")
    assert "(line 1); mend it, or give --no-local-plugins\n" in cli_here("list", "plugins").stderr
    assert cli_here("list", "plugins", "--no-local-plugins").status == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gone.py", "error: --plugin gone.py: there is no such file\n"),
        ("gone.module", "error: --plugin gone.module: there is no module of that name; a file is given as NAME.py\n"),
        ("there", "error: --plugin there: there is no module of that name; did you mean there.py?\n"),
        ("a b.py", "error: --plugin a b.py: 'a b' can't name a plugin; use letters, digits and . _ + -\n"),
        ("timm.py", "the name timm is taken by the plugin of tlbench; rename it\n"),
        ("python.py", "the name python is reserved for objects of programs; rename it\n"),
    ],
)
def test_a_plugin_that_is_not_found_or_badly_named_is_refused(
    cli_here: Cli, tmp_path: Path, given: str, said: str
) -> None:
    for name in ("there.py", "a b.py", "timm.py", "python.py"):
        (tmp_path / name).write_text(HEAD)
    finished = cli_here("run", *QUICK, "--plugin", given)
    assert finished.status == 2 and finished.stderr.endswith(said)


def test_plugins_of_named_distributions_alone_and_of_none_but_tlbenchs_own(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("one", HEAD)("two", HEAD).environment

    def states(*arguments: str, **variables: str) -> dict[str, str]:
        listed = cli("list", "plugins", "--json", *arguments, environment=environment | variables)
        assert listed.status == 0, listed.stderr
        return {row["name"]: row["state"] for row in json.loads(listed.stdout) if row["name"] in ("one", "two", "timm")}

    assert states() == {"one": "loaded", "two": "loaded", "timm": "loaded"}
    assert states("--plugins-from", "one") == {"one": "loaded", "two": "disabled", "timm": "loaded"}
    assert states(TLBENCH_PLUGINS_DISABLED="all") == {"one": "disabled", "two": "disabled", "timm": "loaded"}
    refused = cli("list", "plugins", "--plugins-from", "on", environment=environment)
    assert refused.status == 2
    assert "--plugins-from on: no distribution of that name has plugins; did you mean one?" in refused.stderr


@pytest.mark.slow
def test_the_keyword_takes_a_file_and_a_relative_one_is_found_again(cli: Cli, tmp_path: Path) -> None:
    write_strategies(tmp_path / "code")
    script = """
import tlbench

if __name__ == "__main__":
    results = tlbench.run(plugin="code/mine.py", strategies="half", backbones="small_cnn", epochs=1,
                          datasets="digits:train=96:test=60", progress=False, name="one")
    print(results.plan.request.plugin[0], results.records[0].status)
"""
    (tmp_path / "script.py").write_text(script)

    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'code' / 'mine.py'} ok\n"
