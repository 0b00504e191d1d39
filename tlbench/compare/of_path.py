"""A side by its name: a run, or a CSV file."""

from __future__ import annotations

import sys
from pathlib import Path

from tlbench.compare.of_csv import Columns, side_of_csv
from tlbench.compare.of_run import side_of_run
from tlbench.compare.side import Side
from tlbench.errors import UserError
from tlbench.results.store import find_run
from tlbench.words import counted, printable


def side(name: str, results: Path, columns: Columns) -> Side:
    """The cells of a run or of a CSV file; a run that is not finished is said to be on stderr.

    Raises UserError where there is none, or it has no record.
    """
    if name.lower().endswith(".csv"):
        return side_of_csv(Path(name), columns)
    folder = find_run(name, results)
    found = side_of_run(folder, name)
    if not found.cells:
        raise UserError(f"run {name} has no record; go on with it: tlbench resume {folder.path}")
    planned, done = len(folder.plan().trial_ids()), len(folder.records())
    if done < planned:
        line = f"warning: run {name} is not finished: {done:,} of {counted(planned, 'planned trial')} have a record"
        print(printable(line), file=sys.stderr)
    return found
