"""Where a table of images lies, and what its columns are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from tlbench.contracts import SplitOptions
from tlbench_packaged.reading import ReadingOptions

TaskOption = Literal["auto", "single-label", "multi-label", "regression"]


class CsvColumns(SplitOptions):
    """Which columns are what, and how many images of each split to use."""

    path: Path = Field(description="a CSV or TSV file with a header line")
    images: str | None = Field(
        None, description="the column of image paths, relative to the file; none: image, file, path, or the first"
    )
    targets: tuple[str, ...] | None = Field(
        None, description="what is predicted, a column or several with +; none: all others"
    )
    splits: str | None = Field(
        None, description="a column of train, val and test; none: split, where there is such a column"
    )
    task: TaskOption = Field("auto", description="what the targets are; auto: as their values say")
    separator: str | None = Field(None, min_length=1, description="what parts several classes in one field")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="what parts the columns; none: tab, semicolon or comma"
    )


class CsvOptions(ReadingOptions, CsvColumns):
    """Which columns are what, how the images are read, and how many of each split to use."""
