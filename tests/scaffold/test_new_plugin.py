"""`tlbench plugin new`: names, refusals, and packages of each kind alone, loaded in this process."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest
from conftest import Cli

from tlbench.scaffold.chosen_kinds import without
from tlbench.scaffold.package import KINDS, package

REGISTERED = {
    "strategy": {"strategies": ["head-first"]},
    "backbone": {"backbones": ["small-conv"]},
    "dataset": {"datasets": ["shapes"]},
    "task": {"datasets": ["spots"], "tasks": ["count"]},
    "metric": {"metrics": ["worst_class"]},
    "reporter": {"reporters": ["diary"]},
    "executor": {"executors": ["timed"]},
    "column": {"columns": ["above_chance"]},
}


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_one_kind_registers_it_alone(
    cli_here: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = f"acme-{kind}"
    made = cli_here("plugin", "new", name, "--kind", kind)
    assert made.status == 0, made.stderr
    for file in (tmp_path / name).rglob("*.py"):
        ast.parse(file.read_text("utf-8"))
    others = [other for other in KINDS if other != kind]
    modules = {Path(file).stem for file in files(tmp_path / name)}
    assert not modules & {*others, *(f"test_{other}" for other in others)}
    monkeypatch.syspath_prepend(tmp_path / name / "src")
    listed = cli_here("list", "plugins", "--plugin", f"acme_{kind}", "--json")
    assert listed.status == 0, listed.stderr
    (mine,) = [row for row in json.loads(listed.stdout) if row["name"] == f"acme_{kind}"]
    assert (mine["registers"], mine["faults"], mine["state"]) == (REGISTERED[kind], [], "loaded")


def test_a_package_of_all_kinds_is_complete(cli_here: Cli, tmp_path: Path) -> None:
    made = cli_here("plugin", "new", "Acme.Vision", "--kind", "all")
    assert made.status == 0, made.stderr
    folder = tmp_path / "Acme.Vision"
    modules = {f"src/acme_vision/{name}.py" for name in (*KINDS, "__init__")}
    tests = {f"tests/test_{kind}.py" for kind in KINDS}
    others = {"pyproject.toml", "README.md", ".gitignore", ".github/workflows/test.yml", "src/acme_vision/py.typed"}
    assert files(folder) == modules | tests | others
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["dependencies"]) == ("Acme.Vision", ["tlbench"])
    assert project["entry-points"]["tlbench"] == {"Acme.Vision": "acme_vision"}
    for file in files(folder):
        text = (folder / file).read_text("utf-8")
        assert "my_plugin" not in text and "my-plugin" not in text, file
    command = (
        "tlbench run --strategies Acme.Vision/head-first --backbones Acme.Vision/small-conv "
        "--datasets Acme.Vision/shapes,Acme.Vision/spots --reporters Acme.Vision/diary --executor Acme.Vision/timed"
    )
    assert made.stdout.splitlines()[-3:] == [
        "  pip install -e './Acme.Vision[test]'", f"  {command}", "  pytest Acme.Vision",
    ]  # fmt: skip
    assert command in (folder / "README.md").read_text("utf-8").splitlines()


def test_without_a_kind_it_is_a_strategy(cli_here: Cli, tmp_path: Path) -> None:
    assert cli_here("plugin", "new", "acme").status == 0
    assert (tmp_path / "acme" / "src" / "acme" / "strategy.py").is_file()
    assert not (tmp_path / "acme" / "src" / "acme" / "dataset.py").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acme", "--kind", "strategi"), "--kind strategi: a kind is strategy, backbone"),
        (("acme", "--kind", ","), "--kind names no kind; give some of strategy, backbone"),
        (("-acme",), "No such option"),
        (("3d",), "'3d' can't name a distribution; begin with a letter"),
        (("acme-",), "'acme-' can't name a distribution"),
        (("a/b",), "'a/b' can't name a distribution"),
        (("class",), "class would be imported as class, which there is already; choose another name"),
        (("json",), "json would be imported as json, which there is already"),
        (("Torch",), "Torch would be imported as torch, which there is already"),
        (("builtin",), "there is a plugin named builtin already; choose another name"),
    ],
)
def test_what_is_refused(cli_here: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = cli_here("plugin", "new", *arguments)
    assert refused.status == 2
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_as_it_is(cli_here: Cli, tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    refused = cli_here("plugin", "new", "acme")
    assert refused.status == 2
    assert "acme is there already; nothing was written: remove it, or choose another name" in refused.stderr
    assert list((tmp_path / "acme").iterdir()) == []


def test_kinds_have_one_order_whatever_they_are_asked_in() -> None:
    assert package("acme", "column, dataset,strategy").kinds == ("strategy", "dataset", "column")


def test_what_belongs_to_a_module_is_taken_out_with_its_import() -> None:
    source = (
        "from a.one import first\nfrom a.two import second\n\n\n@hook\ndef f(register):\n    '''Both.'''\n"
        "    register(first)\n    register(second)\n\n\n@hook\ndef g(register):\n    register(second)\n"
    )
    assert without(source, {"a.two"}) == (
        "from a.one import first\n\n\n@hook\ndef f(register):\n    '''Both.'''\n    register(first)\n"
    )
