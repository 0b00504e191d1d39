"""docs/tutorial.md is followed step by step, and prints the tables that stand there, with figures of their own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def tutorial() -> ModuleType:
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("tutorial", DOCS / "tutorial.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(tutorial: ModuleType, page: str) -> list[set[str]]:
    """The first word of each line that a block of commands has printed; that the machine was busy is its own."""
    blocks = re.findall(rf"{tutorial.BEGIN}\n\n```text\n(.*?)```", page, re.DOTALL)
    return [set(re.findall(r"^ *([^\W\d]\S+)", each, re.MULTILINE)) - {"Warning:"} for each in blocks]


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute and a half on an idle machine
def test_the_tutorial_can_be_followed(tutorial: ModuleType, tmp_path: Path) -> None:
    page = (
        (DOCS / "tutorial.md").read_text("utf-8").replace("--epochs 4", "--epochs 2").replace("--seeds 3", "--seeds 2")
    )
    followed = tutorial.followed(page, tmp_path, tutorial.in_folder(tmp_path))
    assert len(printed(tutorial, page)) >= 6
    for then, now in zip(printed(tutorial, page), printed(tutorial, followed), strict=True):
        assert now == then
    assert (tmp_path / "results" / "shapes" / "report.html").is_file()


def test_a_page_is_renewed_between_its_marks(tutorial: ModuleType, tmp_path: Path) -> None:
    page = f"a\n\n```python\n# x.txt\n1\n```\n\n```sh\ncat x.txt\n```\n\n{tutorial.BEGIN}\n\nold\n{tutorial.END}\n\nz\n"
    run = tutorial.in_folder(tmp_path)
    renewed = tutorial.followed(page, tmp_path, run)
    assert renewed == page.replace("\nold\n", "\n```text\n1\n```\n\n")
    assert tutorial.followed(renewed, tmp_path, run) == renewed


def test_a_command_that_fails_is_an_error(tutorial: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ends with 3"):
        tutorial.followed("```sh\nexit 3\n```\n", tmp_path, tutorial.in_folder(tmp_path))
