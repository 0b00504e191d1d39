"""The files of a new plugin package: templates with another name, of the kinds that were asked for."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from tlbench.errors import UserError, nearest
from tlbench.scaffold.chosen_kinds import without

KINDS = ("strategy", "backbone", "dataset", "task", "metric", "reporter", "executor", "column")
ALL = "all"
TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE_NAME, TEMPLATE_MODULE = "my-plugin", "my_plugin"
"""What the package in the templates is called."""
NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")
USED = {
    "strategy": ("--strategies", "head-first"),
    "backbone": ("--backbones", "small-conv"),
    "dataset": ("--datasets", "shapes"),
    "task": ("--datasets", "spots"),
    "reporter": ("--reporters", "diary"),
    "executor": ("--executor", "timed"),
}
"""How a run is asked for the component of a kind, by its option; metrics and columns are in every run."""


@dataclass(frozen=True)
class Package:
    """A package to be written: the name of its distribution, and the kinds of its components."""

    name: str
    kinds: tuple[str, ...]

    @property
    def module(self) -> str:
        """The name that Python imports it by."""
        return re.sub(r"[-.]+", "_", self.name).lower()

    @property
    def run(self) -> str:
        """A command that runs its components."""
        asked: dict[str, list[str]] = {}
        for kind, (option, component) in USED.items():
            if kind in self.kinds:
                asked.setdefault(option, []).append(f"{self.name}/{component}")
        return " ".join(["tlbench run", *(f"{option} {','.join(names)}" for option, names in asked.items())])


def package(name: str, kinds: str) -> Package:
    """The package of a name and of kinds with commas, or `all`; raises UserError where one of them can't be."""
    _check_name(name)
    asked = [each.strip() for each in kinds.split(",") if each.strip()]
    for each in asked:
        if each not in (*KINDS, ALL):
            raise UserError(f"--kind {each}: a kind is {', '.join(KINDS)}, or {ALL}{nearest(each, KINDS)}")
    if not asked:
        raise UserError(f"--kind names no kind; give some of {', '.join(KINDS)}, or {ALL}")
    return Package(name, tuple(each for each in KINDS if each in asked or ALL in asked))


def write(made: Package, folder: Path) -> tuple[Path, ...]:
    """Write a package below a folder that need not exist; give its files.

    Raises UserError where there is something of the folder's name already, or it can't be written.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} is there already; nothing was written: remove it, or choose another name")
    written = []
    try:
        for name, text in files_of(made).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            written.append(file)
    except OSError as error:
        raise UserError(f"{folder} can't be written: {error.strerror or error}; choose another place") from error
    return tuple(written)


def files_of(made: Package) -> dict[str, str]:
    """The package's files by their paths in its folder, and what is in them."""
    others = set(KINDS) - set(made.kinds)
    return {_path(name, made): _renamed(_chosen(name, made, others), made) for name in _templates(others)}


def _templates(others: Collection[str]) -> Iterator[str]:
    """The paths of the templates but for those of other kinds."""
    for file in sorted(TEMPLATES.rglob("*")):
        template = file.relative_to(TEMPLATES)
        left_by_tools = any(part.startswith((".", "__pycache__")) for part in template.parts)
        of_other_kind = file.suffix == ".py" and file.stem.removeprefix("test_") in others
        if file.is_file() and not left_by_tools and not of_other_kind:
            yield template.as_posix()


def _chosen(name: str, made: Package, others: Collection[str]) -> str:
    """A template without what belongs to other kinds."""
    text = (TEMPLATES / name).read_text("utf-8")
    if name.endswith("/__init__.py"):
        return without(text, {f"{TEMPLATE_MODULE}.{kind}" for kind in others})
    if name == "README.md":
        lines = [line for line in text.splitlines() if not _is_row_of(line, others)]
        return "\n".join(lines).replace("RUN", made.run.replace(made.name, TEMPLATE_NAME)) + "\n"
    return text


def _is_row_of(line: str, kinds: Collection[str]) -> bool:
    """Whether a row of the README's table is a component of one of some kinds; of `spots` it is the task."""
    kind = "task" if "/spots " in line else line.removeprefix("| `").partition("`")[0]
    return line.startswith("| `") and kind in kinds


def _path(template: str, made: Package) -> str:
    """Where a template's file is written; `dot-` stands for the dot of a hidden one."""
    return re.sub(r"^dot-", ".", _renamed(template, made))


def _renamed(text: str, made: Package) -> str:
    return text.replace(TEMPLATE_NAME, made.name).replace(TEMPLATE_MODULE, made.module)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} can't name a distribution; begin with a letter, end with a letter or digit, and use letters, "
            f"digits and . _ - between"
        )
    module = Package(name, ()).module
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise UserError(f"{name} would be imported as {module}, which there is already; choose another name")
    if name in {*(point.name for point in entry_points(group="tlbench")), "python"}:
        raise UserError(f"there is a plugin named {name} already; choose another name")
