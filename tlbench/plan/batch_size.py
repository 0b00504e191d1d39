"""Whether a training step of a batch size fits into memory: tried before anything is timed, in a process of its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tlbench.execute.crash import crash
from tlbench.execute.oom import OomWatch
from tlbench.execute.process import ProcessDied, call
from tlbench.trial.jobs import TrialJob

if TYPE_CHECKING:
    from tlbench.events import Report

STEPS = 2
"""The optimizer's state is there from the second step on."""


def fits(job: TrialJob, batch_size: int) -> bool:
    """Try some steps of each of a trial's phases, and then predictions, with a batch size.

    A crash says nothing of memory: that is for the trial itself to tell of.
    """
    cell = job.trial.cell
    protocol = cell.protocol.model_copy(update={"batch_size": batch_size})
    trial = job.trial.model_copy(update={"cell": cell.model_copy(update={"protocol": protocol})})
    memory = OomWatch()
    try:
        return bool(call(try_steps, dataclasses.replace(job, trial=trial), on_event=lambda _event: None))
    except ProcessDied as death:
        if memory.explains(death.end):
            return False
        if crash(death.end) is not None:
            return True
        raise


def try_steps(job: TrialJob, _report: Report) -> bool:
    """What the process of a batch-size search does; False where memory runs out, True where anything else goes wrong.

    That is for the trial itself to tell of.
    """
    from tlbench.registry.kinds import Registry
    from tlbench.registry.plugins import load_plugins
    from tlbench.trial.single import out_of_memory, try_steps_of_trial

    try:
        try_steps_of_trial(job, Registry.of(load_plugins()), STEPS)
    except Exception as error:
        return not out_of_memory(error)
    return True
