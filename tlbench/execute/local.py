"""Trials on this machine: a fresh process each, so many at once, each with its time limit."""

from __future__ import annotations

import heapq
import multiprocessing.connection
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from tlbench.events import Event, Grouped, PluginRaised, Report, StepDone
from tlbench.execute.crash import CONTIGUOUS, crash
from tlbench.execute.oom import OomWatch
from tlbench.execute.process import LONGEST_WAIT_SECONDS, Child, Raised, Returned, Said
from tlbench.plan.cell import Trial
from tlbench.results.records import ErrorRecord, Record, Status
from tlbench.trial.jobs import TrialJob, failure

STEP_EVENT_SECONDS = 0.1


class Watcher(Protocol):
    """Who is told how the trials go."""

    def started(self, job: TrialJob) -> None:
        """A process has been started, for the job's leading trial."""

    def event(self, job: TrialJob, event: Event) -> None:
        """A job tells of its progress."""

    def finished(self, job: TrialJob, record: Record) -> None:
        """One of a job's trials has ended, one way or another."""


@dataclass
class Running:
    """A job whose process runs, the last step that it told of, and, once known, whether its trials train together.

    `returned` has the records that it gave and that nobody has got yet.
    """

    job: TrialJob
    child: Child
    memory: OomWatch
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    deadline: float | None = None
    last: StepDone | None = None
    together: bool | None = None
    returned: list[Record] | None = None


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
    jobs: Iterable[TrialJob], at_once: int, timeout_seconds: float | None, watcher: Watcher, gpus: int = 1
) -> None:
    """Run all jobs, spread over so many GPUs where there are several.

    On KeyboardInterrupt the running ones end as `interrupted`, and it is raised again.
    What goes wrong with trials that are trained together is no trial's fault: each is then tried by itself.
    """
    waiting = Queue(jobs)
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                gpu = freest([each.job.gpu for each in running], gpus)
                running.append(_start(replace(waiting.next(), gpu=gpu), timeout_seconds, watcher))
            multiprocessing.connection.wait([each.child.connection for each in running], _patience(running))
            running = [each for each in running if not _ended(each, timeout_seconds, watcher, waiting)]
    except BaseException:
        for each in running:
            if not _has_returned(each, watcher):
                each.child.kill()
                _finish(each, "interrupted", "Interrupted", "the run was interrupted", watcher)
        raise


def freest(taken: Sequence[int | None], gpus: int) -> int | None:
    """The GPU with the fewest jobs, of equals the first; None where there is no choice."""
    return min(range(gpus), key=taken.count) if gpus > 1 else None


def run_in_process(job: TrialJob, report: Report) -> list[Record]:
    """What a job's process does."""
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import Fault, load_plugins
    from tlbench.trial.batched import run_job

    def tell(fault: Fault) -> None:
        report(PluginRaised(fault.plugin, fault.moment, fault.message))

    plugins = load_plugins(job.block)
    registry = Registry.of(plugins)
    with plugins.around("tlbench_around_trial", tell, trial=job.trial, folder=job.folder):
        return run_job(job, registry, _throttled(report))


def _start(job: TrialJob, timeout_seconds: float | None, watcher: Watcher) -> Running:
    memory = OomWatch()
    child = Child(run_in_process, job)
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    watcher.started(job)
    return Running(job, child, memory, deadline=deadline)


def _patience(running: list[Running]) -> float:
    deadlines = [each.deadline - time.monotonic() for each in running if each.deadline is not None]
    return max(0.0, min([LONGEST_WAIT_SECONDS, *deadlines]))


def _ended(each: Running, timeout_seconds: float | None, watcher: Watcher, waiting: Queue) -> bool:
    """Handle what a job's process has said; True where it has ended, and all its trials have a record or wait again."""
    if not _has_ended(each, timeout_seconds, watcher, waiting):
        return False
    if each.together is None:  # it did not come so far as to say
        waiting.add(each.job.each_alone(each.job.others))
    return True


def _has_ended(each: Running, timeout_seconds: float | None, watcher: Watcher, waiting: Queue) -> bool:
    for message in each.child.messages():
        if isinstance(message, Said):
            _note(each, message.event, watcher, waiting)
        elif isinstance(message, Returned):
            _keep(each, message.value, watcher)
            each.child.end()
            return True
        elif each.together:
            each.child.end()
            waiting.add(each.job.each_alone(each.job.trials))
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
        if each.together:
            waiting.add(each.job.each_alone(each.job.trials))
        else:
            limit = f"the trial took longer than the limit of {timeout_seconds:g} s"
            _finish(each, "timeout", "Timeout", limit, watcher)
        return True
    return False


def _keep(each: Running, records: list[Record], watcher: Watcher) -> None:
    """Hand on what a job has returned; what an interruption leaves is handed on when the run ends."""
    each.returned = records
    while each.returned:
        watcher.finished(each.job, each.returned[0])
        del each.returned[0]


def _has_returned(each: Running, watcher: Watcher) -> bool:
    """Whether a job has a result, as it is interrupted; it is handed on."""
    if each.returned is None:
        each.returned = next(
            (message.value for message in each.child.messages() if isinstance(message, Returned)), None
        )
    if each.returned is None:
        return False
    _keep(each, each.returned, watcher)
    each.child.kill()
    return True


def _note(each: Running, event: Event, watcher: Watcher, waiting: Queue) -> None:
    if isinstance(event, StepDone):
        each.last = event
    elif isinstance(event, Grouped):
        each.together = event.together
        if not event.together:
            waiting.add(each.job.each_alone(each.job.others))
    watcher.event(each.job, event)


def _finish_dead(each: Running, watcher: Watcher) -> None:
    end = each.child.end()
    if each.memory.explains(end):
        needs_less = "a smaller --batch-size or --image-size needs less, --find-batch-size finds what fits"
        _finish(each, "out-of-memory", end, f"the kernel killed the process as memory ran out; {needs_less}", watcher)
    elif end in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"):
        _finish(each, "killed", end, f"the trial's process was killed by {end}", watcher)
    elif (crashed := crash(end)) is not None:
        cell = each.job.trial.cell
        remedy = f"; {CONTIGUOUS}" if (cell.device, cell.protocol.memory_format) == ("cpu", "channels_last") else ""
        _finish(each, "crashed", end, f"the process crashed: {crashed}{remedy}", watcher, each.child.crash_trace())
    else:
        _finish(each, "failed", end, f"the trial's process died: {end}", watcher)


def _finish(
    each: Running,
    status: Status,
    kind: str,
    message: str,
    watcher: Watcher,
    trace: str | None = None,
    trial: Trial | None = None,
) -> None:
    """Leave the record of a trial that could not write its own, with the last step that was heard of."""
    phase, step = (None, None) if each.last is None else (each.last.phase, each.last.step)
    error = ErrorRecord(type=kind, message=message, phase=phase, step=step, traceback=trace)
    watcher.finished(each.job, failure(each.job, status, error, each.started, trial=trial))


def _throttled(report: Report) -> Report:
    """Pass on every epoch, but of the steps only some a second: telling must not slow the training."""
    last = 0.0

    def throttled(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if not isinstance(event, StepDone) or now - last >= STEP_EVENT_SECONDS:
            last = now
            report(event)

    return throttled
