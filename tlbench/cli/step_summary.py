"""The summary of a CI step: what a runner shows above its log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from tlbench.words import printable

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST_BYTES = 1_000_000
"""GitHub refuses summaries of more than a MiB."""


def add_to_step_summary(heading: str, markdown: Callable[[], str]) -> None:
    """Append Markdown to the step's summary, where a runner asks for one; that it can't be written is a warning."""
    if not (file := os.environ.get(VARIABLE)):
        return
    text = f"## {heading}\n\n{markdown()}\n\n"
    if len(text.encode()) > MOST_BYTES:
        text = f"## {heading}\n\nToo long for a summary: see the log, or `tlbench show`.\n\n"
    try:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError as error:
        print(printable(f"warning: ${VARIABLE} {file} can't be written: {error.strerror}"), file=sys.stderr)
