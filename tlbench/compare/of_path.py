"""A side by its name: a run, or a CSV file."""

from __future__ import annotations

import sys
from pathlib import Path

from tlbench.compare.of_csv import Columns, side_of_csv
from tlbench.compare.of_run import side_of_records
from tlbench.compare.side import Side
from tlbench.errors import UserError
from tlbench.results.store import find_run
from tlbench.results.unfinished import without_record
from tlbench.words import printable


def side(name: str, results: Path, columns: Columns) -> Side:
    """The cells of a run or of a CSV file; what of a run is damaged or not finished is said on stderr.

    Raises UserError where there is none, or it has no record.
    """
    if name.lower().endswith(".csv"):
        return side_of_csv(Path(name), columns)
    folder = find_run(name, results)
    plan, (records, damaged) = folder.plan(), folder.read()
    for each in damaged:
        print(printable(f"warning: {each}; it is not compared"), file=sys.stderr)
    if not records:
        raise UserError(f"run {name} has no record; go on with it: tlbench resume {folder.path}")
    planned = len(plan.trial_ids())
    if len(records) < planned:
        missing = without_record(planned, planned - len(records))
        print(printable(f"warning: run {name} is not finished: {missing}"), file=sys.stderr)
    return side_of_records(plan, folder, records, name)
