"""Checks of executors: real small jobs, of a few images each."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tlbench.execute.executor import Ended, Executor, Message, Returned, Told
from tlbench.execute.outbox import discard
from tlbench.temporary import temporary_folder
from tlbench.testing.kit.checks import Failed, check
from tlbench.testing.kit.ground import grounds
from tlbench.testing.kit.subject import Subject
from tlbench.trial.jobs import TrialJob
from tlbench.words import counted

PATIENCE_SECONDS = 180.0
"""For a job of a second: an executor may have to start other processes first."""
SILENCE_SECONDS = 3.0
ENDED_WITHIN_SECONDS = 15.0
SIZE = 8
FOREVER = 1_000_000
"""Epochs of a job that does not end by itself."""


@dataclass
class Heard:
    """What an executor has said: the last message of each job, in order, and how many events there were."""

    last: list[tuple[Hashable, Message]] = field(default_factory=list)
    events: Counter[Hashable] = field(default_factory=Counter)

    def listen(self, executor: Executor, wait_seconds: float) -> None:
        """Hear what is said by now."""
        for name, message in executor.messages(wait_seconds):
            if isinstance(message, Told):
                self.events[name] += 1
                continue
            self.last.append((name, message))
            if isinstance(message, Returned) and message.outbox is not None:
                discard(message.outbox)

    def until(self, executor: Executor, names: list[Hashable]) -> None:
        """Listen until all of these jobs have ended; raises Failed where one does not come back."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while missing := [name for name in names if name not in [each for each, _ in self.last]]:
            if time.monotonic() > deadline:
                raise Failed(
                    f"{counted(len(missing), 'job')} of {len(names)} did not come back in {PATIENCE_SECONDS:g} s"
                )
            self.listen(executor, 1.0)

    def for_some_time(self, executor: Executor) -> None:
        """Listen for some seconds."""
        deadline = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < deadline:
            self.listen(executor, 0.5)


@contextmanager
def _running(subject: Subject) -> Iterator[tuple[Executor, TrialJob]]:
    """An executor of its own, and a job of one second, whose images lie in a folder of this machine."""
    executor: Executor = subject.component.entry.factory(subject.component.options)
    ground = grounds(
        subject.registry, "builtin/full", None, "packaged/small_cnn", "packaged/digits:train=24:val=8:test=8", SIZE
    )
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        try:
            yield executor, ground.job(Path(folder), 1, 0)
        finally:
            executor.close()


def _with(job: TrialJob, *, seed: int = 0, epochs: int = 1, strategy: str | None = None) -> TrialJob:
    cell = job.trial.cell
    changed = cell.model_copy(
        update={
            "protocol": cell.protocol.model_copy(update={"epochs": epochs}),
            "strategy": strategy or cell.strategy,
        }
    )
    return dataclasses.replace(job, trial=job.trial.model_copy(update={"cell": changed, "seed": seed}))


@check("executor", "brings every job back once")
def brings_every_job_back(subject: Subject) -> None:
    """Each of three jobs ends once, with the record of its trial."""
    with _running(subject) as (executor, job):
        jobs = {executor.submit(each): each for each in (_with(job, seed=seed) for seed in range(3))}
        if len(jobs) != 3:
            raise Failed("it gives several jobs the same name; submit must give each a name of its own")
        heard = Heard()
        heard.until(executor, list(jobs))
        heard.for_some_time(executor)
        ended = Counter(name for name, _ in heard.last)
        if strange := [name for name in ended if name not in jobs]:
            raise Failed(f"it tells of a job {strange[0]!r} that was not submitted")
        if more := [name for name, number in ended.items() if number > 1]:
            raise Failed(f"the job {more[0]!r} ends {ended[more[0]]} times; the last message of a job comes once")
        for name, message in heard.last:
            _check_record(jobs[name], message)


def _check_record(job: TrialJob, message: Message) -> None:
    if not isinstance(message, Returned):
        raise Failed(f"a job that runs well comes back as {message!r}; it must be Returned with its records")
    found = [record.trial.id for record in message.records]
    if found != [job.trial.id]:
        raise Failed(f"the job of the trial {job.trial.id} comes back with the records {found}")
    if message.records[0].status != "ok":
        error = message.records[0].error
        raise Failed(f"a job that runs well ends as {message.records[0].status}: {error.message if error else ''}")


@check("executor", "tells of a job that fails")
def tells_of_a_failing_job(subject: Subject) -> None:
    """A job that raises comes back as Ended, with a status and a reason, and others go on."""
    with _running(subject) as (executor, job):
        bad = dataclasses.replace(_with(job, strategy="builtin/there-is-none"), product=True)
        names = [executor.submit(bad), executor.submit(_with(job))]
        heard = Heard()
        heard.until(executor, names)
        found = dict(heard.last)
        failed = found[names[0]]
        if not isinstance(failed, Ended) or failed.status == "ok" or not failed.reason:
            raise Failed(f"a job that raises comes back as {failed!r}; it must be Ended, with a status and a reason")
        _check_record(_with(job), found[names[1]])


@check("executor", "says nothing more of a cancelled job")
def silent_after_cancel(subject: Subject) -> None:
    """After `cancel`, nothing is heard of a job, and another one still runs."""
    with _running(subject) as (executor, job):
        endless = executor.submit(_with(job, epochs=FOREVER))
        Heard().for_some_time(executor)
        executor.cancel(endless)
        heard = Heard()
        name = executor.submit(_with(job))
        heard.until(executor, [name])
        heard.for_some_time(executor)
        said = heard.events[endless] + sum(each == endless for each, _ in heard.last)
        if said:
            raise Failed(f"it says {counted(said, 'thing')} more of a job that was cancelled; it must say nothing")


@check("executor", "ends what runs when it is closed")
def ends_what_runs(subject: Subject) -> None:
    """After `close`, nothing is heard of a job that ran, and no process of it is left on this machine."""
    with _running(subject) as (executor, job):
        heard = Heard()
        heard.until(executor, [executor.submit(_with(job))])  # what serves all jobs runs from now on
        before = {each.pid for each in _processes()}
        executor.submit(_with(job, epochs=FOREVER))
        heard.for_some_time(executor)
        executor.close()
        deadline = time.monotonic() + ENDED_WITHIN_SECONDS
        while (left := [each for each in _processes() if each.pid not in before]) and time.monotonic() < deadline:
            time.sleep(0.2)
        for each in left:
            each.kill()
        if left:
            running = counted(len(left), "process", "processes")
            raise Failed(
                f"after {ENDED_WITHIN_SECONDS:g} s, close() has left {running} of a job running; it must end what runs"
            )


def _processes() -> list[psutil.Process]:
    """What this process has started, and what that has."""
    return [
        each for each in psutil.Process().children(recursive=True) if each.is_running() and each.status() != "zombie"
    ]


@check("executor", "does not wait where nothing runs")
def does_not_wait(subject: Subject) -> None:
    """`messages` returns after the time that it is given, also where no job runs."""
    with _running(subject) as (executor, _job):
        begun = time.monotonic()
        if found := list(executor.messages(0.1)):
            raise Failed(f"it tells of {found[0][0]!r}, and no job was submitted")
        if time.monotonic() - begun > ENDED_WITHIN_SECONDS:
            raise Failed(f"messages(0.1) took {time.monotonic() - begun:.0f} s where no job runs; it must return")
