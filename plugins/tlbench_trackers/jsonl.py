"""A file of JSON Lines: one document for each event of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tlbench import Options, Reporter
from tlbench.toolkit import facts_of
from tlbench_trackers.checks import check_file
from tlbench_trackers.lines import append_line

if TYPE_CHECKING:
    from tlbench.toolkit import Plan, Record, Trial

BEGINS = '{"event": "'


class JsonlOptions(Options):
    """Where the lines go."""

    file: Path | None = Field(None, description="the file; none: trackers/events.jsonl in the run's folder")


def check_jsonl(options: JsonlOptions) -> None:
    """Raises UserError where the file can't be written, or is not such a log."""
    check_file("jsonl", options.file, BEGINS)


def make_jsonl(options: JsonlOptions) -> Reporter:
    """A reporter that writes JSON Lines."""
    return JsonLines(options)


class JsonLines(Reporter):
    """Appends a document for each event: `event`, `time` (UTC), `run`, and what the event is about."""

    def __init__(self, options: JsonlOptions) -> None:
        self._given = options.file
        self._file = Path()
        self._run = ""

    def run_started(self, plan: Plan, folder: Path) -> None:
        """With the options of the run, and how many trials it has."""
        self._run = plan.name
        self._file = folder / "trackers" / "events.jsonl" if self._given is None else self._given.expanduser()
        options = plan.request.model_dump(mode="json", exclude_none=True)
        self._say("run_started", trials=len(plan.trial_ids()), options=options)

    def trial_started(self, trial: Trial) -> None:
        """With what is known of the trial."""
        known = {name: value for name, value in facts_of(trial).items() if value is not None}
        self._say("trial_started", trial=trial.id, facts=known)

    def epoch_finished(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """With its figures."""
        self._say("epoch_finished", trial=trial.id, epoch=epoch, figures=dict(figures))

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """With the whole record."""
        document = json.loads(record.model_dump_json())  # what is not finite is null there
        self._say("trial_finished", trial=trial.id, status=record.status, record=document)

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """With how many trials ended how, those of earlier parts of the run among them."""
        self._say("run_finished", statuses=dict(Counter(record.status for record in records)))

    def _say(self, event: str, **about: Any) -> None:
        document = {"event": event, "time": datetime.now(UTC).isoformat(), "run": self._run, **about}
        append_line(self._file, json.dumps(document))
