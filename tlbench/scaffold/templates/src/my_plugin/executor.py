"""An executor: who runs the jobs of a run. This one leaves them to local processes, and notes how long each took."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from tlbench import Executor, Options

if TYPE_CHECKING:
    from tlbench.toolkit import LocalProcesses, Message, TrialJob


class TimedOptions(Options):
    """Given behind the name: `--executor timed:file=jobs.txt`."""

    file: Path = Field(Path("jobs.txt"), description="the file that gets a line for each job")


class Timed:
    """An executor has four methods; the queue, time limits and retries are tlbench's."""

    def __init__(self, processes: LocalProcesses, file: Path) -> None:
        self.processes = processes
        self.file = file
        self.started: dict[Hashable, tuple[str, float]] = {}

    def submit(self, job: TrialJob) -> Hashable:
        """Start a job, and give what names it from now on."""
        name = self.processes.submit(job)
        self.started[name] = (job.trial.cell.strategy, time.monotonic())
        return name

    def cancel(self, job: Hashable) -> None:
        """End a job that runs."""
        del self.started[job]
        self.processes.cancel(job)

    def messages(self, wait_seconds: float) -> Iterator[tuple[Hashable, Message]]:
        """What jobs have said since; the last message of each is that it has ended."""
        from tlbench.toolkit import Told

        for name, message in self.processes.messages(wait_seconds):
            if not isinstance(message, Told):
                strategy, begun = self.started.pop(name)
                with self.file.open("a", encoding="utf-8") as lines:
                    lines.write(f"{strategy}: {time.monotonic() - begun:.1f} s\n")
            yield name, message

    def close(self) -> None:
        """No more jobs will come."""
        self.processes.close()


def make_timed(options: TimedOptions) -> Executor:
    """The executor of some options; called when a run uses it."""
    from tlbench.toolkit import LocalProcesses

    return Timed(LocalProcesses(), options.file)
