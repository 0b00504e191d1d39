"""Your own images by a table: a path and one or more targets in each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tlbench import UserError
from tlbench.contracts import Dataset, Split
from tlbench.toolkit import content_digest, counted, listed, split_of
from tlbench_packaged.csv_options import CsvOptions
from tlbench_packaged.folder import native_size
from tlbench_packaged.layout import split_named
from tlbench_packaged.table import Table, read_table
from tlbench_packaged.targets import Targets, read_targets

IMAGES = ("image", "images", "image_path", "path", "file", "filename", "filepath")
SPLITS = ("split", "subset")


@dataclass
class Rows:
    """What a table says: the file and the targets of each row, its line, and the rows of each split."""

    path: Path
    files: list[Path]
    lines: list[int]
    targets: Targets
    splits: dict[str, np.ndarray]

    def describe(self, row: int) -> str:
        """A row, by its line and its file."""
        return f"{self.files[row]} (line {self.lines[row]} of {self.path})"


def check_csv(options: CsvOptions) -> Rows:
    """Read the table, and see that its images exist; raises UserError that names each mistake with its line."""
    path = options.path.expanduser()
    table = read_table(path, options.delimiter)
    images = options.images or next((each for each in IMAGES if each in table.columns), next(iter(table.columns)))
    splits = options.splits or next((each for each in SPLITS if each in table.columns), None)
    taken = {images, splits}
    named = options.targets or tuple(name for name in table.columns if name not in taken)
    if not named:
        raise UserError(f"dataset csv: {path} has no column but {listed([images])}: a column of targets is missing")
    files = [path.parent / Path(each).expanduser() for each in table.column(images, "images")]
    for row, (field, file) in enumerate(zip(table.columns[images], files, strict=True)):
        if not field:
            table.mistake(row, f"{images} is empty")
        elif not file.is_file():
            table.mistake(row, f"there is no image {file}")
    targets = read_targets(table, named, options.task, options.separator)
    by_split = _splits(table, splits)
    table.refuse_mistakes()
    return Rows(path, files, table.lines, targets, by_split)


def csv_file(options: CsvOptions) -> Dataset:
    """The dataset of a table."""
    rows = check_csv(options)
    splits = {name: _split(rows, chosen, options) for name, chosen in rows.splits.items()}
    return Dataset(
        classes=rows.targets.names,
        train=splits["train"],
        val=splits.get("val"),
        test=splits.get("test"),
        native_size=native_size(rows.files),
        domain=rows.path.stem,
        fingerprint=_fingerprint(rows, options),
        value_range=options.range,
        notes=tuple(_notes(rows)),
        task=rows.targets.task,
        channels=options.channels,
    )


def _splits(table: Table, column: str | None) -> dict[str, np.ndarray]:
    """The rows of each split; all are train where no column says."""
    if column is None:
        return {"train": np.arange(len(table.lines))}
    named = [split_named(value) for value in table.column(column, "splits")]
    for row, (split, value) in enumerate(zip(named, table.columns[column], strict=True)):
        if split is None:
            table.mistake(row, f"{column} is {value!r}; it is train, val or test")
    found = {split: np.flatnonzero([each == split for each in named]) for split in ("train", "val", "test")}
    if not len(found["train"]) and not table.mistakes:
        raise UserError(f"dataset csv: {table.path} has no row whose {column} is train")
    return {split: rows for split, rows in found.items() if len(rows)}


def _split(rows: Rows, chosen: np.ndarray, options: CsvOptions) -> Split:
    split = split_of([rows.files[row] for row in chosen], rows.targets.labels[chosen], exif=options.exif)
    return replace(split, describe=lambda index: rows.describe(int(chosen[index])))


def _fingerprint(rows: Rows, options: CsvOptions) -> str:
    """Changes with the table, its columns' meaning, and the images."""
    root = rows.path.parent.absolute()
    inside = [file for file in set(rows.files) if file.absolute().is_relative_to(root)]
    outside = sorted(set(rows.files) - set(inside))
    digests = [content_digest(root, [rows.path.absolute(), *(file.absolute() for file in inside)])]
    digests += (
        [content_digest(Path(outside[0].anchor or "/"), [file.absolute() for file in outside])] if outside else []
    )
    said = options.model_dump(mode="json", exclude={"path", "train", "val", "test"})
    return f"csv {rows.targets.task} {said} {' '.join(digests)}"


def _notes(rows: Rows) -> Iterator[str]:
    """What a person should know of a table."""
    yield from rows.targets.notes
    if repeated := len(rows.files) - len(set(rows.files)):
        yield f"{counted(repeated, 'row')} of {rows.path.name} name an image that another row names, too"
