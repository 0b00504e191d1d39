"""A run started from the command line, and shown when it is over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tlbench.errors import UserError
from tlbench.words import counted

if TYPE_CHECKING:
    from tlbench.plan.request import Request

NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+")
LONGEST_NAME = 200
"""Bytes: file systems take 255, and temporary names are longer."""


def start_and_show(
    request: Request,
    results: Path,
    name: str | None,
    as_json: bool,
    *,
    quiet: bool,
    dry_run: bool = False,
    retry: tuple[str, ...] = (),
) -> None:
    """Start a run or go on with one, and write its tables or records; exits with 1 where a trial is not ok."""
    from tlbench.cli.output import print_results, progress_console
    from tlbench.cli.step_summary import add_to_step_summary
    from tlbench.measure.cores import load_per_core
    from tlbench.report.documents import markdown_text, to_markdown
    from tlbench.report.of_run import report_data
    from tlbench.report.progress import ConsoleDisplay, shared, summary
    from tlbench.session.start import start

    if name is not None:
        check_name(name)
    display = ConsoleDisplay(progress_console(quiet=quiet))
    if (load := load_per_core()) > 1 and not dry_run:
        display.note(
            f"warning: the machine is busy (load {load:.1f} per core); times will be longer and vary more. "
            f"Close other programs, or judge by the metrics alone; `tlbench doctor` says more"
        )
    try:
        outcome = start(request, results, name, display, retry=retry, dry_run=dry_run)  # type: ignore[arg-type]
    finally:
        display.close()
    if dry_run:
        if as_json:
            print(outcome.plan.model_dump_json(indent=1))
        return
    form = "json" if as_json else "table"
    print_results(outcome.plan, outcome.records, outcome.folder, form, outcome.plan.request.detail)
    add_to_step_summary(
        f"tlbench run {markdown_text(outcome.plan.name)}",
        lambda: to_markdown(report_data(outcome.plan, outcome.folder, outcome.records)),
    )
    total = sum(1 for _ in outcome.plan.trials())
    saved = shared(outcome.records)
    display.note(
        f"\n{summary(outcome.records, total)}{f'; {saved}' if saved else ''}; records in {outcome.folder.path}"
    )
    if models := sum(1 for record in outcome.records if outcome.folder.model(record.trial.id).is_dir()):
        display.note(
            f"{counted(models, 'saved model')} in {outcome.folder.models}; to use one: tlbench predict "
            f"{outcome.plan.name}/TRIAL_ID IMAGE"
        )
    if outcome.interrupted:
        display.note(f"interrupted; go on with: tlbench resume {outcome.folder.path}")
        raise typer.Exit(130)
    if any(record.status != "ok" for record in outcome.records):
        raise typer.Exit(1)


def check_name(name: str) -> None:
    """Raise UserError where a name can't be that of a folder."""
    if name in ("", ".", "..") or not NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME:
        shown = repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        raise UserError(f"--name {shown} can't name a folder; use up to {LONGEST_NAME} letters, digits, - and _")
