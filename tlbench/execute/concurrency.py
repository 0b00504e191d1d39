"""Whether several one-thread trials at once get more done than one with all threads: tried, not assumed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tlbench.errors import UserError
from tlbench.events import Event, Report
from tlbench.execute.process import Child, ProcessDied
from tlbench.measure.cores import threads_each
from tlbench.trial.jobs import TrialJob

SECONDS = 2.5
"""How long training steps are counted."""
WORTH_IT = 1.1
"""Trials at once disturb each other's timings: they must be so many times as fast together."""

Steps = list[tuple[float, int]]
"""When steps ended, by the machine's monotonic clock, and their images."""


@dataclass(frozen=True)
class Trialled:
    """Images per second: of one trial with all threads, and of so many at once together."""

    at_once: int
    alone: float
    together: float

    @property
    def best(self) -> int:
        """How many trials had better run at once."""
        return self.at_once if self.together > WORTH_IT * self.alone else 1


def try_at_once(job: TrialJob, at_once: int) -> Trialled:
    """Train the job's model, all of it, for some seconds alone, and then so many of it at once.

    Where memory does not suffice for that, or anything else goes wrong, what failed has got nothing done.
    """
    return Trialled(
        at_once, images_per_second(job), _rate([dataclasses.replace(job, threads=threads_each(at_once))] * at_once)
    )


def images_per_second(job: TrialJob) -> float:
    """What the job's model trains, all of it, in some seconds; 0 where that goes wrong."""
    return _rate([job])


def common_rate(runs: Sequence[Steps]) -> float:
    """Images per second of all runs together, over the time in which all were stepping."""
    if not all(runs):
        return 0.0
    begin, end = max(run[0][0] for run in runs), min(run[-1][0] for run in runs)
    images = sum(images for run in runs for ended, images in run if begin < ended <= end)
    return images / (end - begin) if end > begin else 0.0


def _rate(jobs: list[TrialJob]) -> float:
    children = [Child(steps_in_process, job) for job in jobs]
    try:
        runs = [_steps(child) for child in children]
    finally:
        for child in children:
            child.kill()
    return common_rate(runs)


def _steps(child: Child) -> Steps:
    try:
        steps: Steps = child.result(lambda _event: None)
    except (UserError, RuntimeError, ProcessDied):
        return []
    return steps


class _Enough(Exception):
    """The time is over."""


def steps_in_process(job: TrialJob, _report: Report) -> Steps:
    """What each process does: train for the time, and say when each step ended."""
    from tlbench.contracts.phases import Train
    from tlbench.engine.context import Progress
    from tlbench.engine.feed import Feed
    from tlbench.engine.loop import prepare_phase, train
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import load_plugins
    from tlbench.trial.ready import make_ready

    steps: Steps = []

    def note(event: Event) -> None:
        steps.append((time.monotonic(), getattr(event, "images", 0)))
        if steps[-1][0] - steps[0][0] > SECONDS:
            raise _Enough

    context = make_ready(job, Registry.of(load_plugins()), note, Progress())
    phase = Train(context.model.everything, epochs=1e6)
    prepare_phase(context.model, phase)
    with contextlib.suppress(_Enough):
        train(context.model, phase, 0, context.setting, Feed(context.data.train, context.model.module))
    return steps
