"""`tlbench report`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tlbench.cli.app import Debug, Margin, Results, app
from tlbench.cli.plugged import plugged
from tlbench.errors import UserError


@app.command()
@plugged
def report(
    run: Annotated[str, typer.Argument(help="The run's name, or its folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="report.html in the run")
    ] = None,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    margin: Margin = None,
    results: Results = Path("results"),
    debug: Debug = False,
) -> None:
    """Write a run's report, one HTML file that works offline, and open it."""
    import webbrowser

    from tlbench.cli.output import page, print_missing
    from tlbench.files import write_whole
    from tlbench.report.of_run import report_data
    from tlbench.results.store import find_run

    folder = find_run(run, results)
    plan = folder.plan()
    records, damaged = folder.read()
    path = output or folder.path / "report.html"
    try:
        write_whole(path, page(plan, folder, report_data(plan, folder, records, margin)))
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}; name another file with -o") from error
    print(path)
    print_missing(plan, records, damaged, folder)
    if opened and _has_display():
        webbrowser.open(path.absolute().as_uri())


def _has_display() -> bool:
    """Whether there is a screen for a browser: without one, a text browser would take the terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
