"""A CSV file read into rows with their lines, and every mistake told with its line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlbench import UserError
from tlbench.toolkit import counted, listed, nearest

DELIMITERS = ("\t", ";", ",")
NAMED = 20
"""Mistakes that an error names; the rest is counted."""


@dataclass
class Table:
    """The fields of a file by column, with the line that each row begins in, and the mistakes that were found."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def column(self, name: str, option: str) -> list[str]:
        """The fields of a column; raises UserError with the nearest names where there is none."""
        if name not in self.columns:
            raise UserError(
                f"dataset csv: {self.path} has no column {name!r} ({option}={name}){nearest(name, self.columns)}; it "
                f"has {listed(list(self.columns))}"
            )
        return self.columns[name]

    def mistake(self, row: int, text: str) -> None:
        """Note what is wrong in a row."""
        self.mistakes.append((self.lines[row], text))

    def refuse_mistakes(self) -> None:
        """Raise UserError that names the first mistakes, if there are any."""
        if not self.mistakes:
            return
        told = [f"line {line}: {text}" for line, text in sorted(self.mistakes)]
        if len(told) == 1:
            raise UserError(f"dataset csv: {self.path}, {told[0]}")
        more = f"\n  and {len(told) - NAMED} more" if len(told) > NAMED else ""
        raise UserError(f"dataset csv: {self.path} has {len(told)} mistakes:\n  " + "\n  ".join(told[:NAMED]) + more)


def read_table(path: Path, delimiter: str | None = None) -> Table:
    """Read a file with a header line; raises UserError where it can't be read, or rows have too few or many fields."""
    if not path.is_file():
        raise UserError(f"dataset csv: {path} {'is a folder; name a file' if path.is_dir() else 'is missing'}")
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"dataset csv: {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"dataset csv: {path}, line {line}: it is not UTF-8; save the file as UTF-8") from error
    lines = text.splitlines(keepends=True)
    if not lines or not lines[0].strip():
        raise UserError(f"dataset csv: {path} has no header: its first line names the columns")
    used = delimiter or next((each for each in DELIMITERS if each in lines[0]), ",")
    reader = csv.reader(lines, delimiter=used, strict=True)
    header = [name.strip() for name in next(reader)]
    _check_header(path, header)
    table = Table(path, {name: [] for name in header}, [])
    begun = reader.line_num + 1
    try:
        for fields in reader:
            if fields:
                _add(table, fields, begun)
            begun = reader.line_num + 1
    except csv.Error as error:
        said = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        raise UserError(f"dataset csv: {path}, line {begun}: {said}") from error
    if not table.lines:
        table.refuse_mistakes()
        raise UserError(f"dataset csv: {path} has a header and no rows")
    return table


def _check_header(path: Path, header: Sequence[str]) -> None:
    for place, name in enumerate(header, start=1):
        if not name:
            raise UserError(f"dataset csv: {path}, line 1: column {place} has no name")
        if header.index(name) != place - 1:
            raise UserError(f"dataset csv: {path}, line 1: two columns are named {name!r}")


def _add(table: Table, fields: list[str], line: int) -> None:
    if len(fields) != len(table.columns):
        table.mistakes.append((line, f"{counted(len(fields), 'field')}, and the header names {len(table.columns)}"))
        return
    table.lines.append(line)
    for values, value in zip(table.columns.values(), fields, strict=True):
        values.append(value.strip())
