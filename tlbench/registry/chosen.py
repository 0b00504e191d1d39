"""Which plugins are used: the installed ones, less those left out, and local ones that are not installed."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlbench.registry.provenance import Provenance

GROUP = "tlbench"
"""The entry points that are plugins."""
OWN = "tlbench"
"""The distribution whose plugins are built in."""
RESERVED = "python"
"""What stands before the names of objects of a program; no plugin may be called so."""
DISABLED_VARIABLE = "TLBENCH_PLUGINS_DISABLED"
ALL = "all"
"""In $TLBENCH_PLUGINS_DISABLED: every plugin but tlbench's own."""
OF_FOLDER = "tlbench_plugins.py"
"""A file that is used without being asked for, as pytest uses conftest.py."""
HELP = {
    "plugin": "Use a plugin that is not installed: a Python file or a module; may be repeated.",
    "local_plugins": "Use the plugin tlbench_plugins.py of the working folder, where there is one.",
    "no_plugin": "Do without an installed plugin; may be repeated. Also: $TLBENCH_PLUGINS_DISABLED.",
    "plugins_from": "Use the installed plugins of these distributions alone, and tlbench's own; may be repeated.",
}
"""The options that choose plugins, of a run and of other commands."""
METAVARS = {"plugin": "FILE|MODULE", "no_plugin": "PLUGIN", "plugins_from": "DISTRIBUTION"}


@dataclass(frozen=True)
class Given:
    """An object of a Python program that is a component of a run: its kind, its name, and the file it is pickled in."""

    kind: str
    name: str
    file: str
    origin: Provenance


@dataclass(frozen=True)
class Chosen:
    """What a process loads: of the installed plugins all but those `without`, of `distributions` alone if any is named.

    `local` are plugins that are not installed: files by their absolute paths, and modules by their names. `given` are
    objects of the program that started a run.
    """

    without: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    given: tuple[Given, ...] = ()

    def to_json(self) -> str:
        """For a process that is given text alone, and no objects."""
        return json.dumps(dataclasses.asdict(dataclasses.replace(self, given=())))

    @classmethod
    def of_json(cls, text: str) -> Chosen:
        """What `to_json` wrote."""
        return cls(**{name: tuple(values) for name, values in json.loads(text).items()})


INSTALLED = Chosen()
_in_use: ContextVar[Chosen] = ContextVar("tlbench_plugins", default=INSTALLED)


def in_use() -> Chosen:
    """The plugins that are used here."""
    return _in_use.get()


@contextmanager
def using(chosen: Chosen) -> Iterator[None]:
    """Use these plugins within the block."""
    token = _in_use.set(chosen)
    try:
        yield
    finally:
        _in_use.reset(token)


def file_of_folder(folder: Path) -> Path | None:
    """The tlbench_plugins.py of a folder; None where there is none, or $TLBENCH_PLUGINS_DISABLED has `all` or it."""
    file = folder / OF_FOLDER
    if {ALL, file.stem} & disabled_by_variable() or not file.is_file():
        return None
    return file


def with_objects(chosen: Chosen) -> Chosen:
    """The same with the objects of the program that are used here."""
    return dataclasses.replace(chosen, given=in_use().given)


def disabled_by_variable() -> set[str]:
    """The names in $TLBENCH_PLUGINS_DISABLED."""
    return {each.strip() for each in os.environ.get(DISABLED_VARIABLE, "").split(",")} - {""}
