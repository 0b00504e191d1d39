"""Trials on this machine: a fresh process each, so many at once, each with its time limit."""

from __future__ import annotations

import multiprocessing.connection
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from tlbench.events import EpochDone, Event, Report, StepDone
from tlbench.execute.oom import OomWatch
from tlbench.execute.process import Child, Raised, Returned, Said
from tlbench.jobs import TrialJob, failure
from tlbench.records import ErrorRecord, Record, Status

STEP_EVENT_SECONDS = 0.1


class Watcher(Protocol):
    """Who is told how the trials go."""

    def started(self, job: TrialJob) -> None:
        """A trial's process has been started."""

    def event(self, job: TrialJob, event: Event) -> None:
        """A trial tells of its progress."""

    def finished(self, job: TrialJob, record: Record) -> None:
        """A trial has ended, one way or another."""


@dataclass
class Running:
    """A trial whose process runs, and the last step that it told of."""

    job: TrialJob
    child: Child
    memory: OomWatch
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    deadline: float | None = None
    last: StepDone | None = None


def run_trials(jobs: Iterable[TrialJob], at_once: int, timeout_seconds: float | None, watcher: Watcher) -> None:
    """Run all jobs. On KeyboardInterrupt the running ones end as `interrupted`, and it is raised again."""
    waiting = deque(jobs)
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(waiting.popleft(), timeout_seconds, watcher))
            multiprocessing.connection.wait([each.child.connection for each in running], _patience(running))
            running = [each for each in running if not _ended(each, timeout_seconds, watcher)]
    except BaseException:
        for each in running:
            each.child.kill()
            _finish(each, "interrupted", "Interrupted", "the run was interrupted", watcher)
        raise


def run_in_process(job: TrialJob, report: Report) -> Record:
    """What a trial's process does."""
    from tlbench.plugins import load_plugins
    from tlbench.registry import Registry
    from tlbench.trial import run_trial

    return run_trial(job, Registry.of(load_plugins(job.block)), _throttled(report))


def _start(job: TrialJob, timeout_seconds: float | None, watcher: Watcher) -> Running:
    memory = OomWatch()
    child = Child(run_in_process, job)
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    watcher.started(job)
    return Running(job, child, memory, deadline=deadline)


def _patience(running: list[Running]) -> float | None:
    deadlines = [each.deadline for each in running if each.deadline is not None]
    return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None


def _ended(each: Running, timeout_seconds: float | None, watcher: Watcher) -> bool:
    """Handle what a trial's process has said; True where it has ended."""
    for message in each.child.messages():
        if isinstance(message, Said):
            if isinstance(message.event, StepDone):
                each.last = message.event
            watcher.event(each.job, message.event)
        elif isinstance(message, Returned):
            each.child.end()
            watcher.finished(each.job, message.value)
            return True
        elif isinstance(message, Raised):
            each.child.end()
            _finish(each, "failed", "Exception", message.message, watcher, message.trace)
            return True
        else:
            _finish_dead(each, watcher)
            return True
    if each.deadline is not None and time.monotonic() >= each.deadline:
        each.child.kill()
        _finish(
            each,
            "timeout",
            "Timeout",
            f"the trial took longer than the limit of {timeout_seconds:g} s",
            watcher,
        )
        return True
    return False


def _finish_dead(each: Running, watcher: Watcher) -> None:
    end = each.child.end()
    if each.memory.explains(end):
        needs_less = "a smaller --batch-size or --image-size needs less, --find-batch-size finds what fits"
        _finish(each, "out-of-memory", end, f"the kernel killed the process as memory ran out; {needs_less}", watcher)
    elif end in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"):
        _finish(each, "killed", end, f"the trial's process was killed by {end}", watcher)
    else:
        _finish(each, "failed", end, f"the trial's process died: {end}", watcher)


def _finish(each: Running, status: Status, kind: str, message: str, watcher: Watcher, trace: str | None = None) -> None:
    """Leave the record of a trial that could not write its own, with the last step that was heard of."""
    phase, step = (None, None) if each.last is None else (each.last.phase, each.last.step)
    error = ErrorRecord(type=kind, message=message, phase=phase, step=step, traceback=trace)
    watcher.finished(each.job, failure(each.job, status, error, each.started))


def _throttled(report: Report) -> Report:
    """Pass on every epoch, but of the steps only some a second: telling must not slow the training."""
    last = 0.0

    def throttled(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if isinstance(event, EpochDone) or (isinstance(event, StepDone) and now - last >= STEP_EVENT_SECONDS):
            last = now
            report(event)

    return throttled
