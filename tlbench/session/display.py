"""Who shows a run to a person."""

from __future__ import annotations

import typing

from tlbench.events import Event
from tlbench.plan.cell import Trial
from tlbench.plan.found import Note, Preparing
from tlbench.plan.plan import Plan
from tlbench.results.records import Record


class Display(typing.Protocol):
    """Who shows a run to a person."""

    def note(self, text: str) -> None:
        """A sentence."""

    def preparing(self, event: Preparing) -> None:
        """A dataset is being decoded."""

    def planned(self, plan: Plan, remaining: int) -> None:
        """The plan is made; `remaining` of its trials are still to run."""

    def started(self, trial: Trial, leader: Trial | None = None) -> None:
        """A trial has begun; with a leader, it is trained together with it."""

    def event(self, trial: Trial, event: Event) -> None:
        """A trial tells of its progress."""

    def finished(self, trial: Trial, record: Record) -> None:
        """A trial has ended."""

    def close(self) -> None:
        """No more trials will run."""


def show(event: Note | Preparing, display: Display) -> None:
    if isinstance(event, Preparing):
        display.preparing(event)
    else:
        display.note(event.text)
