"""What a plugin adds to the command line: formats of `tlbench show`, and commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Cli, Finished

ADDED = """
import typer
from tlbench import hookimpl

tlbench_api = 1

def names(results):
    "The cells and their accuracies."
    return "\\n".join(f"{row.strategy} {row.primary.mean:.3f}" for row in results.rows())

def greet(name: str, times: int = 1):
    "Greet somebody."
    for _ in range(times):
        print("hello", name)

tools = typer.Typer(help="Several tools.")

@tools.command()
def one():
    print("one of them")

@tools.command()
def two():
    raise SystemExit(4)

@hookimpl
def tlbench_register_formats(register):
    register("names", names)
    register("broken", lambda results: 1 / 0)
    register("number", lambda results: 3)

@hookimpl
def tlbench_register_commands(register):
    register("greet", greet)
    register("tools", tools)
    register("show", greet)
"""


@pytest.fixture
def folder(tmp_path: Path, trained: tuple[Path, Finished]) -> Path:
    """A working folder with a plugin and a finished run."""
    (tmp_path / "tlbench_plugins.py").write_text(ADDED)
    shutil.copytree(trained[0] / "results", tmp_path / "results")
    return tmp_path


def test_a_format_of_a_plugin_is_given_the_results(folder: Path, cli_here: Cli) -> None:
    shown = cli_here("show", "trained", "--format", "names")
    assert shown.status == 0, shown.stderr
    assert [line.partition(" ")[0] for line in shown.stdout.splitlines()] == ["freeze", "full"]
    cli_here("show", "trained", "--format", "names", "-o", "out.txt")
    assert (folder / "out.txt").read_text() == shown.stdout
    (row,) = json.loads(cli_here("list", "formats", "names", "--json").stdout)
    assert (row["name"], row["summary"]) == ("tlbench_plugins/names", "The cells and their accuracies.")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("broken", "the format tlbench_plugins/broken raised ZeroDivisionError: division by zero"),
        ("number", "the format tlbench_plugins/number gave a int; it must give a text"),
        ("htlm", "there is no format 'htlm'; did you mean html?; there are table, markdown"),
    ],
)
def test_a_format_that_gives_nothing_is_refused(folder: Path, cli_here: Cli, form: str, said: str) -> None:
    refused = cli_here("show", "trained", "--format", form)
    assert (refused.status, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_commands_of_a_plugin_are_commands(folder: Path, cli_here: Cli) -> None:
    assert cli_here("greet", "you", "--times", "2").stdout == "hello you\nhello you\n"
    assert cli_here("tools", "one").stdout == "one of them\n"
    assert cli_here("tools", "two").status == 4
    helped = cli_here("--help").stdout
    assert "Greet somebody." in helped and "Several tools." in helped
    assert "Show a run's records." in cli_here("show", "--help").stdout  # tlbench's own, whoever else has the name


def test_a_plugin_that_can_not_be_loaded_leaves_the_help_as_it_is(tmp_path: Path, cli_here: Cli) -> None:
    (tmp_path / "tlbench_plugins.py").write_text("1/0")
    assert cli_here("--help").status == 0
    refused = cli_here("greet", "you")
    assert refused.status == 2 and "can't be loaded: ZeroDivisionError" in refused.stderr
