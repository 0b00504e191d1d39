"""The built-in executor: a fresh process of this machine for each job."""

from __future__ import annotations

import multiprocessing.connection
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tlbench.events import Event, PluginRaised, Report, StepDone
from tlbench.execute.crash import CONTIGUOUS, crash
from tlbench.execute.executor import Ended, Message, Returned, Told
from tlbench.execute.oom import OomWatch
from tlbench.execute.outbox import discard, new_outbox
from tlbench.execute.process import Child, Raised, Said
from tlbench.execute.process import Returned as ProcessReturned
from tlbench.results.records import Record
from tlbench.results.store import RunFolder
from tlbench.trial.jobs import TrialJob

STEP_EVENT_SECONDS = 0.1


@dataclass
class Running:
    """A job whose process runs."""

    job: TrialJob
    child: Child
    memory: OomWatch
    outbox: Path


class LocalProcesses:
    """Runs each job in a process forked from a server that has torch imported."""

    def __init__(self) -> None:
        self._running: dict[int, Running] = {}
        self._number = 0

    def submit(self, job: TrialJob) -> int:
        """Start the job's process."""
        self._number += 1
        memory, outbox = OomWatch(), new_outbox()
        self._running[self._number] = Running(job, Child(run_in_process, job, outbox), memory, outbox)
        return self._number

    def cancel(self, job: Hashable) -> None:
        """Kill the job's process."""
        assert isinstance(job, int)
        each = self._running.pop(job)
        each.child.kill()
        discard(each.outbox)

    def messages(self, wait_seconds: float) -> Iterator[tuple[int, Message]]:
        """What the processes have said; a process that has died is explained."""
        multiprocessing.connection.wait([each.child.connection for each in self._running.values()], wait_seconds)
        for number, each in list(self._running.items()):
            for message in each.child.messages():
                if isinstance(message, Said):
                    yield number, Told(message.event)
                    continue
                del self._running[number]
                if isinstance(message, ProcessReturned):
                    each.child.end()
                    yield number, Returned(message.value, each.outbox)
                    break
                discard(each.outbox)
                if isinstance(message, Raised):
                    each.child.end()
                    yield number, Ended("failed", "Exception", message.message, message.trace)
                else:
                    yield number, _death(each)
                break

    def close(self) -> None:
        """Kill what still runs."""
        for number in list(self._running):
            self.cancel(number)


def run_in_process(job: TrialJob, outbox: Path, report: Report) -> list[Record]:
    """What a job's process does; what belongs beside its records is left in a folder, laid out as a run's is."""
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import Fault, load_plugins
    from tlbench.trial.batched import run_job

    def tell(fault: Fault) -> None:
        report(PluginRaised(fault.plugin, fault.moment, fault.message))

    plugins = load_plugins()
    registry = Registry.of(plugins)
    out = RunFolder(outbox)
    out.trials.mkdir(exist_ok=True)
    with plugins.around("tlbench_around_trial", tell, trial=job.trial, folder=out.trials):
        return run_job(job, registry, out, _throttled(report))


def _death(each: Running) -> Ended:
    """How a process came to its end without a result."""
    end = each.child.end()
    if each.memory.explains(end):
        needs_less = "a smaller --batch-size or --image-size needs less, --find-batch-size finds what fits"
        return Ended("out-of-memory", end, f"the kernel killed the process as memory ran out; {needs_less}")
    if end in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"):
        return Ended("killed", end, f"the trial's process was killed by {end}")
    if (crashed := crash(end)) is not None:
        cell = each.job.trial.cell
        remedy = f"; {CONTIGUOUS}" if (cell.device, cell.protocol.memory_format) == ("cpu", "channels_last") else ""
        return Ended("crashed", end, f"the process crashed: {crashed}{remedy}", each.child.crash_trace())
    return Ended("failed", end, f"the trial's process died: {end}")


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
