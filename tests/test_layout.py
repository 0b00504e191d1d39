"""The house: the core imports no plugin, imports go one way, and files stay small enough to be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "tlbench"
PLUGINS = ROOT / "plugins"


def module_of(file: Path, root: Path = ROOT) -> str:
    """`tlbench/plan/cell.py` as `tlbench.plan.cell`; a package by its own name."""
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


TEMPLATES = CORE / "scaffold" / "templates"
"""A package by itself, which is copied and not imported."""
FILES = {module_of(file): file for file in CORE.rglob("*.py") if TEMPLATES not in file.parents}


def imported(file: Path) -> Iterator[str]:
    """Every module that a file names in an import, those for type checkers and inside functions among them."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                f"{node.module}.{each.name}" if f"{node.module}.{each.name}" in FILES else node.module
                for each in node.names
            )
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


GRAPH = {name: {each for each in imported(file) if each in FILES} for name, file in FILES.items()}


def test_there_is_no_circle_of_imports() -> None:
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_core_imports_no_plugin() -> None:
    plugins = {file.name for file in PLUGINS.iterdir() if file.is_dir()}
    assert len(plugins) == 10
    for name, file in FILES.items():
        assert not {each.partition(".")[0] for each in imported(file)} & plugins, name


PUBLIC = ("tlbench", "tlbench.contracts", "tlbench.toolkit")
"""What a plugin is written with: the public names, the contracts, and what reads images and weights from files."""


def test_the_built_in_plugins_are_written_with_what_is_public() -> None:
    for file in PLUGINS.rglob("*.py"):
        used = {each for each in imported(file) if each.partition(".")[0] == "tlbench"}
        private = {each for each in used if each not in PUBLIC and not each.startswith("tlbench.contracts.")}
        assert not private, file


ROOMS = (
    ("contracts", set()),
    ("results", {"contracts", "plan", "registry"}),
    ("saved", {"contracts", "data", "engine", "plan", "registry", "results"}),
    ("data", {"cache", "contracts", "plan"}),
    ("report", {"contracts", "data", "plan", "registry", "results", "stats", "trial"}),
    ("stats", set()),
    ("compare", {"contracts", "plan", "registry", "report", "results", "session", "stats"}),
    ("trends", {"compare", "contracts", "plan", "registry", "report", "results", "stats"}),
    ("cache", set()),
    ("objects", {"contracts", "registry"}),
    ("scaffold", set()),
    (
        "testing",
        {
            *("contracts", "data", "engine", "execute", "measure", "objects", "plan"),
            *("registry", "report", "results", "saved", "session", "trial"),
        },
    ),
)


@pytest.mark.parametrize(("room", "others"), ROOMS)
def test_a_room_knows_only_those_before_it(room: str, others: set[str]) -> None:
    rooms = {file.name for file in CORE.iterdir() if file.is_dir()}
    of_room = [name for name in FILES if name.startswith(f"tlbench.{room}")]
    used = {each.split(".")[1] for name in of_room for each in GRAPH[name] if each.count(".")}
    assert used & rooms - {room} <= others


def test_no_two_files_of_tests_have_the_same_name() -> None:
    """pytest takes them for one module."""
    names = [file.name for file in Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names)), [name for name in set(names) if names.count(name) > 1]
