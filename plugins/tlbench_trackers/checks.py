"""What is looked at before anything runs: whether a library is there, and whether a place can be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tlbench import UserError
from tlbench.toolkit import try_folder


def check_installed(reporter: str, *others: str) -> None:
    """Raise UserError where a library that a reporter needs is not installed; its extra has the reporter's name."""
    for library in (reporter, *others):
        found = find_spec(library)
        if found is None or found.origin is None:  # a folder of the name, W&B's own say, is no library
            raise UserError(f"the reporter {reporter} needs {library}: pip install 'tlbench[{reporter}]'")


def check_folder(reporter: str, folder: Path | None) -> None:
    """Raise UserError where a folder that was named can't be written; it need not exist."""
    if folder is not None:
        with _refused(reporter, folder):
            try_folder(folder.expanduser())


def check_file(reporter: str, file: Path | None, begins: str) -> None:
    """Raise UserError where a file that was named can't be written, or has something else in it than a log.

    `begins` is what the first line of a log begins with.
    """
    if file is None:
        return
    with _refused(reporter, file):
        place = file.expanduser()
        if not place.exists():
            try_folder(place.parent)
            return
        if not place.is_file():
            raise UserError(f"the reporter {reporter} can't write to {file}: it is not a file; name another place")
        with place.open("r+", encoding="utf-8", errors="replace") as opened:
            if opened.readline(len(begins)) not in ("", begins):
                raise UserError(f"{file} is there already and is no log of the reporter {reporter}; name another file")


@contextmanager
def _refused(reporter: str, place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"the reporter {reporter} can't write to {place}: {reason}; name another place") from error
