"""What an executor is: who runs jobs, wherever that is. The queue, time limits and regrouping are not its concern."""

from __future__ import annotations

import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, runtime_checkable

if TYPE_CHECKING:
    from tlbench.events import Event
    from tlbench.results.records import Record, Status
    from tlbench.trial.jobs import TrialJob


@dataclass(frozen=True)
class Told:
    """A job tells of its progress."""

    event: Event


@dataclass(frozen=True)
class Returned:
    """A job has ended with the records of its trials: its last message.

    `outbox` is a folder of this machine with what belongs beside them; it is emptied.
    """

    records: list[Record]
    outbox: Path | None = None


@dataclass(frozen=True)
class Ended:
    """A job has ended without records: its last message. The status, the kind of end, and why are for the record."""

    status: Status
    kind: str
    reason: str
    trace: str | None = None


Message = Told | Returned | Ended


@runtime_checkable
class Executor(typing.Protocol):
    """Runs jobs, each in a process of its own, and brings back what they leave.

    A job can be pickled, and nothing in it needs the machine that it comes from: where it runs,
    `tlbench.toolkit.run_elsewhere(job, report)` gives a `Parcel` of its records and files, made with the cache of that
    machine, and `parcel.returned()` is the message that it has ended. Paths that the user has named (of a folder of
    images, a file of weights) must be the same there. `report` is called with each event; events that an executor
    passes on as `Told` move the progress bar.
    """

    def submit(self, job: TrialJob) -> Hashable:
        """Start a job, and give what names it."""

    def cancel(self, job: Hashable) -> None:
        """End a job that runs; nothing is heard of it any more."""

    def messages(self, wait_seconds: float) -> Iterator[tuple[Hashable, Message]]:
        """What jobs have said since, with their names; waits for the first message at most so long."""

    def close(self) -> None:
        """No more jobs will come."""
