"""The queue of a run: which job is next, time limits, and trials that went wrong together tried alone."""

from __future__ import annotations

import heapq
import time
import typing
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tlbench.errors import UserError
from tlbench.events import Event, StepDone
from tlbench.execute.executor import Ended, Executor, Message, Returned, Told
from tlbench.execute.process import LONGEST_WAIT_SECONDS
from tlbench.results.records import ErrorRecord, Record
from tlbench.trial.jobs import TrialJob, failure


class Watcher(typing.Protocol):
    """Who is told how the trials go."""

    def started(self, job: TrialJob) -> None:
        """A job has been started, for all of its trials."""

    def event(self, job: TrialJob, event: Event) -> None:
        """A job tells of its progress."""

    def delivered(self, job: TrialJob, outbox: Path) -> None:
        """A job has ended, and left files beside the records that follow."""

    def finished(self, job: TrialJob, record: Record) -> None:
        """One of a job's trials has ended, one way or another."""


@dataclass
class Running:
    """A job that runs, until when it may, the last step that it told of, and records that nobody has got yet."""

    job: TrialJob
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    deadline: float | None = None
    last: StepDone | None = None
    returned: list[Record] = field(default_factory=list)


@dataclass(order=True)
class Waiting:
    """A job that has not begun, by its place in the plan: seed, then cell."""

    place: tuple[int, int]
    job: TrialJob = field(compare=False)


class Queue:
    """Jobs in the plan's order."""

    def __init__(self, jobs: Iterable[TrialJob]) -> None:
        self._waiting: list[Waiting] = []
        self.add(jobs)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, jobs: Iterable[TrialJob]) -> None:
        """Let some wait."""
        for job in jobs:
            heapq.heappush(self._waiting, Waiting((job.trial.seed, job.place), job))

    def next(self) -> TrialJob:
        """The first in the plan."""
        return heapq.heappop(self._waiting).job


def run_trials(
    jobs: Iterable[TrialJob],
    executor: Executor,
    at_once: int,
    timeout_seconds: float | None,
    watcher: Watcher,
    gpus: int = 1,
) -> None:
    """Have an executor run all jobs, so many at once, spread over so many GPUs where there are several.

    On KeyboardInterrupt the running ones end as `interrupted`, and it is raised again. What goes wrong with trials that
    are trained together is no trial's fault: each is then tried by itself.
    """
    waiting = Queue(jobs)
    running: dict[Hashable, Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                gpu = freest([each.job.gpu for each in running.values()], gpus)
                job = replace(waiting.next(), gpu=gpu)
                watcher.started(job)  # plugins and reporters hear of it: their time is not the trial's
                deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
                each = Running(job, deadline=deadline)
                try:
                    running[executor.submit(job)] = each
                except Exception as error:  # of a plugin
                    _leave(each, Ended("failed", type(error).__name__, f"it can't be started: {error}"), watcher)
            for name, message in _said(executor, _patience(running)):
                if name in running:
                    _hear(running, name, message, watcher, waiting)
            for name in [name for name, each in running.items() if _is_over(each)]:
                executor.cancel(name)
                reason = f"the trial took longer than the limit of {timeout_seconds:g} s"
                _end(running.pop(name), Ended("timeout", "Timeout", reason), watcher, waiting)
    except BaseException:
        _interrupt(executor, running, watcher)
        raise
    finally:
        executor.close()


def _said(executor: Executor, wait_seconds: float) -> Iterator[tuple[Hashable, Message]]:
    """What jobs have said; raises UserError where the executor can't go on."""
    messages: Iterator[tuple[Hashable, Message]] | None = None
    while True:
        try:
            messages = messages or iter(executor.messages(wait_seconds))
            found = next(messages)
        except StopIteration:
            return
        except Exception as error:  # of a plugin
            raise UserError(
                f"the executor {type(executor).__name__} can't go on: it raised {type(error).__name__}: {error}; "
                f"what was finished is kept, and tlbench resume does the rest"
            ) from error
        yield found


def freest(taken: Sequence[int | None], gpus: int) -> int | None:
    """The GPU with the fewest jobs, of equals the first; None where there is no choice."""
    return min(range(gpus), key=taken.count) if gpus > 1 else None


def _patience(running: dict[Hashable, Running]) -> float:
    deadlines = [each.deadline - time.monotonic() for each in running.values() if each.deadline is not None]
    return max(0.0, min([LONGEST_WAIT_SECONDS, *deadlines]))


def _is_over(each: Running) -> bool:
    return each.deadline is not None and time.monotonic() >= each.deadline


def _hear(
    running: dict[Hashable, Running], name: Hashable, message: Told | Returned | Ended, watcher: Watcher, waiting: Queue
) -> None:
    """Handle what a job has said; one that has ended runs no more when all its records are handed on."""
    each = running[name]
    if isinstance(message, Told):
        if isinstance(message.event, StepDone):
            each.last = message.event
        watcher.event(each.job, message.event)
    elif isinstance(message, Returned):
        _take(each, message, watcher)
        _hand_on(each, watcher)
        del running[name]
    else:
        _end(each, message, watcher, waiting)
        del running[name]


def _take(each: Running, message: Returned, watcher: Watcher) -> None:
    """Keep what a job gives back: first the files, which the records name."""
    if message.outbox is not None:
        watcher.delivered(each.job, message.outbox)
    each.returned = list(message.records)


def _hand_on(each: Running, watcher: Watcher) -> None:
    """Give records to who waits for them, one by one: what an interruption leaves is given when the run ends."""
    while each.returned:
        watcher.finished(each.job, each.returned[0])
        del each.returned[0]


def _end(each: Running, end: Ended, watcher: Watcher, waiting: Queue) -> None:
    """Leave the record of a job that did not write its own; what was trained together is tried alone."""
    if each.job.product:
        waiting.add(each.job.alone())
        return
    _leave(each, end, watcher)


def _leave(each: Running, end: Ended, watcher: Watcher) -> None:
    """The record of a job's leading trial, with the last step that was heard of."""
    phase, step = (None, None) if each.last is None else (each.last.phase, each.last.step)
    error = ErrorRecord(type=end.kind, message=end.reason, phase=phase, step=step, traceback=end.trace)
    watcher.finished(each.job, failure(each.job, end.status, error, each.started))


def _interrupt(executor: Executor, running: dict[Hashable, Running], watcher: Watcher) -> None:
    """End all that runs; a job whose records have come already has them kept."""
    with suppress(UserError):  # said already
        for name, message in _said(executor, 0.0):
            if name in running and isinstance(message, Returned):
                _take(running[name], message, watcher)
    for each in running.values():
        if each.returned:
            _hand_on(each, watcher)
        else:
            _leave(each, Ended("interrupted", "Interrupted", "the run was interrupted"), watcher)
