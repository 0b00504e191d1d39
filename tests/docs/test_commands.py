"""Every command that a page shows is one: its options exist, and take what is given to them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from conftest import Cli, Finished

from tlbench.cli.commands import app

ROOT = Path(__file__).parents[2]
RUN_ELSEWHERE = {"plugins", "objects", "tutorial"}
"""Pages whose commands are carried out by tests of their own."""
PAGES = sorted(page for page in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md") if page.stem not in RUN_ELSEWHERE)
FENCE = re.compile(r"^```.*\n?", re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """The arguments of each command of tlbench in the blocks of a page; those that follow on the same line, too."""
    lines = (
        line for block in FENCE.split(page.read_text("utf-8"))[1::2] for line in block.replace("\\\n", " ").splitlines()
    )
    parts = (part.strip() for line in lines for part in re.split(r"&&|\|\||·", line))
    return [shlex.split(part, comments=True)[1:] for part in parts if re.match(r"tlbench( |$)", part)]


def parse(arguments: list[str]) -> list[str]:
    """Have the command line take arguments as it does before anything runs; raises click's own errors.

    Gives the names of the command and those above it.
    """
    command: Any = typer.main.get_command(app)
    context, name, names = None, "tlbench", []
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, list(arguments), parent=context)
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        names.append(name)
    command.make_context(name, list(arguments), parent=context)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_understood(page: Path) -> None:
    for arguments in commands(page):
        names = parse(arguments)
        assert names == arguments[: len(names)]


def test_what_is_no_option_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["show", "RUN", "--no-such-option"])


def test_most_pages_with_blocks_have_commands() -> None:
    assert sum(map(len, map(commands, PAGES))) > 60


@pytest.mark.parametrize("page", ["show", "difference"])
def test_the_commands_on_a_run_end_well(
    page: str, trained: tuple[Path, Finished], cli_here: Cli, tmp_path: Path
) -> None:
    runs = [each for each in commands(ROOT / "docs" / f"{page}.md") if each[:2] == ["show", "RUN"]]
    assert len(runs) >= 2
    for arguments in runs:
        of_run = {"RUN": "trained", "strategy=lora*": "strategy=f*", "accuracy>=0.9": "accuracy>=0.1"}
        named = [of_run.get(each, each) for each in arguments]
        done = cli_here(*named, "--results", str(trained[0] / "results"))
        assert done.status == 0, f"{' '.join(arguments)}\n{done.stderr}"
