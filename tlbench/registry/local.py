"""Plugins that are not installed: a Python file, a module, and tlbench_plugins.py of the working folder."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from tlbench.errors import UserError
from tlbench.registry.chosen import file_of_folder
from tlbench.registry.provenance import Provenance
from tlbench.registry.sources import digest_of_file, digest_of_sources

SOURCE = "__tlbench_source__"
"""Where a module keeps the file and the bytes that it was made of."""
NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")


def found_local(given: Iterable[str], folder: Path | None) -> tuple[str, ...]:
    """Local plugins by what finds them from anywhere, absolute paths and modules; a folder's own file is the last.

    Raises UserError where there is no such file or module.
    """
    found = [_found(each) for each in given]
    if folder is not None and (file := file_of_folder(folder)) is not None:
        found.append(str(file.absolute()))
    return tuple(dict.fromkeys(found))


def _found(given: str) -> str:
    if _is_file(given):
        file = Path(given).absolute()
        if not file.is_file():
            raise UserError(f"--plugin {given}: there is no such file")
        if not NAME.fullmatch(file.stem):
            raise UserError(f"--plugin {given}: {file.stem!r} can't name a plugin; use letters, digits and . _ + -")
        return str(file)
    if not is_module(given):
        hint = f"; did you mean {given}.py?" if Path(f"{given}.py").is_file() else "; a file is given as NAME.py"
        raise UserError(f"--plugin {given}: there is no module of that name{hint}")
    return given


def is_module(name: str) -> bool:
    """Whether a module of a dotted name can be imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def name_of(local: str) -> str:
    """The plugin's name: the file's, without its ending, or the module's last part."""
    return Path(local).stem if _is_file(local) else local.rpartition(".")[2]


def import_local(local: str) -> tuple[ModuleType, Provenance]:
    """Import a local plugin, whose distribution is its file or module, and whose version is its source's digest."""
    if _is_file(local):
        file = Path(local)
        module = _executed(file)
        digest, called = digest_of_file(file), file.name
    else:
        module = importlib.import_module(local)
        digest, called = digest_of_sources([module]), local
    origin = Provenance(
        plugin=name_of(local), distribution=called, version=digest[:12], source_digest=digest, local=True
    )
    return module, origin


def _is_file(given: str) -> bool:
    return given.endswith(".py") or "/" in given or "\\" in given


def _executed(file: Path) -> ModuleType:
    """A file as a module, made again where it has changed; it can import what lies beside it."""
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: nothing in there takes the place of an installed module
    name = f"tlbench_local_{re.sub(r'[^a-zA-Z0-9_]', '_', file.stem)}"
    source = file.read_bytes()
    known = sys.modules.get(name)
    if known is not None and vars(known).get(SOURCE) == (str(file), source):
        return known  # its classes stay the same objects
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    vars(module)[SOURCE] = str(file), source
    return module
