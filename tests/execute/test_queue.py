"""The queue's time limits."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import make_cell, make_record

from tlbench.execute.executor import Message, Returned
from tlbench.execute.queue import run_trials
from tlbench.plan import Trial
from tlbench.results.records import Record

RECORD = make_record(make_cell())


@dataclass(frozen=True)
class Job:
    """What the queue looks at of a job."""

    trial: Trial
    place: int = 0
    gpu: int | None = None
    product: bool = False


class InTwoLooks:
    """An executor whose job has ended when it is looked at for the second time."""

    def __init__(self) -> None:
        self.looks = 0

    def submit(self, job: object) -> Hashable:
        return "job"

    def cancel(self, job: Hashable) -> None:
        raise AssertionError("it has not run out of time")

    def messages(self, wait_seconds: float) -> Iterator[tuple[Hashable, Message]]:
        self.looks += 1
        if self.looks == 2:
            yield "job", Returned([RECORD])

    def close(self) -> None:
        pass


class Slow:
    """Somebody who takes longer to hear of a trial than the trial may take."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def started(self, job: object) -> None:
        time.sleep(1.2)

    def event(self, job: object, event: object) -> None:
        pass

    def delivered(self, job: object, outbox: Path) -> None:
        pass

    def finished(self, job: object, record: Record) -> None:
        self.records.append(record)


def test_the_time_that_reporters_take_is_not_the_trials() -> None:
    job: Any = Job(Trial(cell=RECORD.trial.cell, seed=0))
    watcher = Slow()
    run_trials([job], InTwoLooks(), at_once=1, timeout_seconds=1, watcher=watcher)
    assert watcher.records == [RECORD]
