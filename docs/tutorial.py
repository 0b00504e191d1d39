"""Runs the commands of docs/tutorial.md and writes what they print into the page: python docs/tutorial.py.

A block of commands is followed by the block of its output, between two marks. Commands run one after another in a
folder of their own, so that a reader who follows the page has the same files. Times and sizes are those of the machine
that this was run on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).with_name("tutorial.md")
BEGIN, END = "<!-- printed -->", "<!-- until here -->"
STEP = re.compile(
    r"(?P<file>```python\n# (?P<name>[\w.]+)\n(?P<text>.*?)```\n)"
    r"|(?P<before>```sh\n(?P<commands>.*?)```\n)"
    rf"(?:\n{BEGIN}\n.*?{END}\n)?",
    re.DOTALL,
)
"""A file that the page shows, or commands with what they printed last time."""
Run = Callable[[str], str]


def followed(text: str, folder: Path, run: Run) -> str:
    """The page with the output of each block of commands; files that it shows are written into the folder first."""

    def step(found: re.Match[str]) -> str:
        if found["file"]:
            (folder / found["name"]).write_text(found["text"], "utf-8")
            return found[0]
        printed = "\n".join(line.rstrip() for line in run(found["commands"]).strip().splitlines())
        if not printed:
            return found["before"]
        return f"{found['before']}\n{BEGIN}\n\n```text\n{printed}\n```\n\n{END}\n"

    return STEP.sub(step, text)


def in_folder(folder: Path) -> Run:
    """Runs commands by the shell, as a reader does where there is no terminal; raises where one fails."""
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}

    def run(commands: str) -> str:
        script = "set -e\n" + commands
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{commands}ends with {done.returncode}:\n{done.stderr}")
        return done.stdout

    return run


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        PAGE.write_text(followed(PAGE.read_text("utf-8"), Path(made), in_folder(Path(made))), "utf-8")
