"""`tlbench merge`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Results, app
from tlbench.errors import UserError


@app.command()
def merge(
    runs: Annotated[list[str], typer.Argument(help="The runs: names, or folders copied from other machines.")],
    name: Annotated[str, typer.Option("--name", help="The name of the run that is made.")],
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Make one run of several, of many machines: conflicts are named, times of unlike machines never averaged."""
    from tlbench.cli.start import check_name
    from tlbench.results.merge import conflict_error, said
    from tlbench.results.merge import merge as merged
    from tlbench.results.store import RunFolder, check_writable, find_run
    from tlbench.words import printable

    if len(runs) < 2:
        raise UserError("tlbench merge takes two runs or more")
    check_name(name)
    sources = [find_run(run, results) for run in runs]
    check_writable(results)
    target = RunFolder(results / name)
    if target.exists:
        raise UserError(f"run {name} in {results} exists; take another --name")
    found = merged(sources, target)
    if found.conflicts:
        raise conflict_error(found)
    for line in said(found, target):
        print(printable(line), file=sys.stderr)
