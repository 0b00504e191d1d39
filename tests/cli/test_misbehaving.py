"""Plugins that misbehave: each is told by name, none takes the run, its records or its output down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import QUICK, Cli, PluginMaker


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    """Mostly in this process, whose server of processes is up."""
    return cli_warm


HEAD = "from tlbench import Options, Train, hookimpl, strategy\ntlbench_api = 1\n"
REGISTER = "\n@hookimpl\ndef tlbench_register_strategies(register):\n    register(mine)\n"


def test_a_plugin_that_exits_while_it_is_loaded_is_left_out(cli: Cli, plugin: PluginMaker) -> None:
    plugin("leaver", "import sys\nsys.exit(3)\n")
    listed = cli("list", "strategies", "--json", environment=plugin.environment)
    assert listed.status == 0
    assert len(json.loads(listed.stdout)) > 30
    assert "plugin leaver is left out: loading: SystemExit: 3" in listed.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "def tlbench_register_strategies(register): pass\n",
            "its function tlbench_register_strategies is not marked as an implementation; put @tlbench.hookimpl",
        ),
        ('tlbench_api = "1"\n', "its tlbench_api is '1', not a number; write `tlbench_api = 1`"),
        (
            "@hookimpl\ndef tlbench_register_datasets(register):\n    register('a', print, options={'k': int})\n",
            "the options of the dataset 'a' are {'k': <class 'int'>}; they must be a class derived from tlbench.",
        ),
        (
            "@hookimpl\ndef tlbench_register_datasets(register):\n    register('a', print)\n    register('a', print)\n",
            "the dataset 'a' is registered twice",
        ),
        (
            "@hookimpl\ndef tlbench_register_datasets(register): register('a', 'print')\n",
            "the factory of the dataset 'a' is 'print' and can't be called",
        ),
        (
            "class Odd(Options):\n    k: int = 'three'\n"
            "@hookimpl\ndef tlbench_register_datasets(register): register('a', print, options=Odd)\n",
            "the option k of the dataset 'a' has a bad default, 'three'",
        ),
        ("class Stop(BaseException): pass\nraise Stop('here')\n", "Stop: here"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_as_it_is_loaded(
    cli: Cli, plugin: PluginMaker, source: str, said: str
) -> None:
    plugin("odd", HEAD + source)
    listed = cli("list", "datasets", environment=plugin.environment)
    assert listed.status == 0
    assert "plugin odd is left out" in listed.stderr
    assert said in listed.stderr
    assert "packaged/digits" in listed.stdout


def test_a_plugin_that_is_slow_to_load_is_told_with_its_seconds(cli: Cli, plugin: PluginMaker) -> None:
    plugin("heavy", HEAD + "import time\nend = time.process_time() + 1.2\nwhile time.process_time() < end: pass\n")
    listed = cli("list", "plugins", environment=plugin.environment)
    assert "plugin heavy took 1." in listed.stderr
    assert "import what is heavy in the factories" in listed.stderr


def test_the_names_of_the_built_in_plugins_are_taken(cli: Cli, plugin: PluginMaker) -> None:
    plugin("builtin", HEAD)
    listed = cli("list", "strategies", environment=plugin.environment)
    assert (
        "plugin builtin (builtin) is left out: loading: the name is taken by the distribution tlbench" in listed.stderr
    )
    assert "builtin/freeze" in listed.stdout


def test_a_factory_that_makes_something_else_is_told(cli: Cli, plugin: PluginMaker) -> None:
    plugin("odd", HEAD + "@hookimpl\ndef tlbench_register_datasets(register): register('a', lambda options: [1])\n")
    refused = cli("run", "--datasets", "odd/a", environment=plugin.environment)
    assert refused.status == 2
    assert "plugin odd (odd 1.0) gave a list; its factory must return a tlbench.Dataset" in refused.stderr


def test_a_hook_that_exits_prints_and_leaves_harms_no_record(cli: Cli, plugin: PluginMaker, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    plugin(
        "noisy",
        HEAD + "import os, sys\nprint('at import')\n"
        "@hookimpl\ndef tlbench_run_started(plan, folder):\n    print('started'); os.chdir('elsewhere')\n"
        "@hookimpl\ndef tlbench_trial_finished(trial, record):\n    print('finished'); sys.exit(1)\n",
    )
    options = ("--strategies", "freeze", "--name", "noisy", "--seeds", "2", "--json")
    done = cli("run", *QUICK, *options, environment=plugin.environment)
    assert done.status == 0, done.stderr
    assert [record["status"] for record in done.records] == ["ok", "ok"]
    assert done.stderr.count("plugin noisy raised in tlbench_trial_finished: SystemExit: 1") == 1
    assert "at import" in done.stderr and "finished" in done.stderr
    assert len(list((tmp_path / "results" / "noisy" / "trials").glob("*.json"))) == 2


@pytest.mark.slow
def test_an_interruption_while_results_are_handed_on_takes_none_of_them(cli: Cli, plugin: PluginMaker) -> None:
    plugin(
        "interrupter",
        HEAD + "import os, pathlib, signal, time\n"
        "@hookimpl\ndef tlbench_trial_finished(trial, record):\n"
        "    once = pathlib.Path('once')\n"
        "    if not once.exists():\n"
        "        once.touch(); os.kill(os.getpid(), signal.SIGINT); time.sleep(0.1)\n",
    )
    options = ("--strategies", "freeze", "--image-size", "32", "--seeds", "6", "--json", "--name", "six")
    stopped = cli(
        "run", "--datasets", "digits:train=96:test=60", "--epochs", "1", *options, environment=plugin.environment
    )
    assert stopped.status == 130
    assert [record["status"] for record in stopped.records] == ["ok"] * 6
    assert stopped.records[0]["cost"]["product_heads"] == 6
    assert "6 done already, 0 to go" in cli("resume", "six", environment=plugin.environment).stderr


@pytest.mark.slow
def test_a_trial_that_leaves_a_thread_behind_is_finished_and_its_process_ended(cli: Cli, plugin: PluginMaker) -> None:
    source = """
import threading, time
@strategy("mine", learning_rates={"adamw": 1e-3})
def mine(model, options):
    threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
    yield Train(model.head)
"""
    environment = plugin("threads", HEAD + source + REGISTER).environment
    done = cli("run", *QUICK, "--strategies", "mine", "--json", environment=environment, timeout=120)
    assert done.status == 0, done.stderr
    assert [record["status"] for record in done.records] == ["ok"]


def test_a_strategy_that_exits_is_a_failed_trial_and_the_others_go_on(cli: Cli, plugin: PluginMaker) -> None:
    source = """
import sys
@strategy("mine", learning_rates={"adamw": 1e-3})
def mine(model, options):
    sys.exit(0)
    yield Train(model.head)
"""
    environment = plugin("leaver", HEAD + source + REGISTER).environment
    done = cli("run", *QUICK, "--strategies", "mine,scratch", "--json", environment=environment)
    assert done.status == 1
    bad, good = done.records
    assert (bad["status"], good["status"]) == ("failed", "ok")
    assert "SystemExit" in bad["error"]["message"] + bad["error"]["type"]


NOTES = """
import math, random, numpy
@strategy("mine", learning_rates={"adamw": 1e-3})
def mine(model, options):
    model.notes["nan"] = math.nan
    model.notes["classes"] = "+".join(model.classes)
    model.notes["draws"] = f"{model.generator.initial_seed()} {random.random()} {numpy.random.rand()}"
    yield Train(model.head)
"""


@pytest.mark.slow
def test_notes_that_are_no_numbers_are_null_and_chance_is_the_seeds_own(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("notes", HEAD + NOTES + REGISTER).environment
    command = ("run", *QUICK, "--strategies", "mine", "--seeds", "2", "--json")
    first, second = (cli(*command, environment=environment) for _ in range(2))
    assert first.status == 0, first.stderr
    notes = [record["notes"] for record in first.records]
    assert [each["nan"] for each in notes] == [None, None]
    assert notes[0]["classes"] == "0+1+2+3+4+5+6+7+8+9"
    assert [each["draws"] for each in notes] == [record["notes"]["draws"] for record in second.records]
    assert notes[0]["draws"] != notes[1]["draws"]


def test_a_note_that_is_neither_text_nor_number_is_named(cli: Cli, plugin: PluginMaker) -> None:
    source = NOTES.replace("math.nan", "[1, 2]")
    environment = plugin("notes", HEAD + source + REGISTER).environment
    (record,) = cli("run", *QUICK, "--strategies", "mine", "--json", environment=environment).records
    assert "the note 'nan' is a list; it must be a text or a number" in record["error"]["message"]


OPTIONS = """
from enum import Enum
class Colour(Enum):
    red = "red"
    green = "green"
class Mine(Options):
    colour: Colour = Colour.red
    rates: tuple[float, ...] | None = (0.5,)
    names: list[str] = ["a"]
    size: int | None = 3
@strategy("mine", learning_rates={"adamw": 1e-3}, options=Mine)
def mine(model, options):
    model.notes["options"] = repr(options)
    yield Train(model.head)
"""


@pytest.mark.slow
def test_options_of_every_kind_are_read_again_from_the_name_in_the_record(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("kinds", HEAD + OPTIONS + REGISTER).environment
    given = "mine:colour=green:rates=1+2.5:names=x+y:size=none"
    (record,) = cli("run", *QUICK, "--strategies", given, "--json", environment=environment).records
    name = record["trial"]["cell"]["strategy"]
    assert name == "kinds/mine:colour=green:names=x+y:rates=1+2.5:size=none"
    assert record["notes"]["options"].endswith("rates=(1.0, 2.5), names=['x', 'y'], size=None)")
    (again,) = cli("run", *QUICK, "--strategies", name, "--json", environment=environment).records
    assert again["trial"]["id"] == record["trial"]["id"]
    (none,) = cli("run", *QUICK, "--strategies", "mine:rates=none", "--json", environment=environment).records
    assert none["trial"]["cell"]["strategy"] == "kinds/mine:rates=none"


@pytest.mark.slow
def test_modules_in_the_working_directory_are_not_executed(cli: Cli, tmp_path: Path) -> None:
    for name in ("timm", "random", "torch", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open('executed-{name}', 'w')\n", "utf-8")
    fresh = {"TLBENCH_CACHE": str(tmp_path / "cache")}
    assert "timm/resnet50" in cli("list", "backbones", "--search", "resnet50", environment=fresh).stdout
    done = cli("run", *QUICK, "--strategies", "scratch", environment=fresh)
    assert done.status == 0, done.stderr
    assert not list(tmp_path.glob("executed-*"))
