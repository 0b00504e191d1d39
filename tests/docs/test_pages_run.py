"""The code of docs/plugins.md and docs/objects.md is run as it stands there, section by section."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cli

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"# ([\w-]+\.py)\n")
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def sections() -> Iterator[tuple[str, str]]:
    """The pages' sections that have code, each with its page and heading."""
    for page in ("plugins", "objects"):
        for section in (DOCS / f"{page}.md").read_text("utf-8").split("\n## ")[1:]:
            if BLOCK.search(section):
                heading, _, text = section.partition("\n")
                yield f"{page}: {heading}", text


SECTIONS = dict(sections())


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section_end_well(section: str, cli_here: Cli, tmp_path: Path) -> None:
    ran = 0
    for language, text in BLOCK.findall(SECTIONS[section]):
        named = FILE.match(text)
        if language == "python" and named:
            (tmp_path / named[1]).write_text(text, "utf-8")
        elif language == "sh":
            for line in text.splitlines():
                follow(line, cli_here, tmp_path)
                ran += 1
        else:  # a part of what a command has written
            written = "\n".join(file.read_text("utf-8") for file in tmp_path.rglob("*") if file.is_file())
            assert [line for line in text.splitlines() if line not in written] == []
    assert ran


def follow(line: str, cli_here: Cli, folder: Path) -> None:
    """Carry out a line: in this process where it is a plain command of tlbench, else by the shell."""
    if line.startswith("tlbench "):
        finished = cli_here(*line.split()[1:])
        assert finished.status == 0, f"{line}\n{finished.stderr}"
        return
    done = subprocess.run(
        ["bash", "-ec", line], cwd=folder, env=os.environ | {"PATH": PATH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_every_kind_of_component_has_its_section() -> None:
    kinds = ("strategy", "backbone", "dataset", "task", "metric", "reporter", "executor", "column")
    assert [f"plugins: A {kind}" in SECTIONS or f"plugins: An {kind}" in SECTIONS for kind in kinds] == [True] * 8


def test_pages_of_code_have_no_block_that_is_not_run() -> None:
    for page in ("plugins", "objects"):
        introduction = (DOCS / f"{page}.md").read_text("utf-8").partition("\n## ")[0]
        assert "```" not in introduction
