"""`tlbench resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Quiet, Results, app
from tlbench.cli.start import start_and_show

RETRIED = ("failed", "crashed", "out-of-memory", "timeout", "diverged")


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    results: Results = Path("results"),
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try again what failed, crashed, diverged, or ran out of memory or time."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the records as JSON to stdout.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Go on with a run: the trials that have no record yet, or were killed or interrupted."""
    from tlbench.results.store import find_run

    folder = find_run(run, results)
    request = folder.plan().request
    retry = RETRIED if retry_failed else ()
    start_and_show(request, folder.path.parent, folder.path.name, as_json, quiet=quiet, retry=retry)
