"""Trials on this machine: a process each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl

if TYPE_CHECKING:
    from tlbench import Executor, Options
    from tlbench.toolkit import RegisterExecutor

tlbench_api = 1


def make_local(_options: Options) -> Executor:
    """Local processes."""
    from tlbench.toolkit import LocalProcesses

    return LocalProcesses()


@hookimpl
def tlbench_register_executors(register: RegisterExecutor) -> None:
    """Register the executor that runs where the command runs."""
    register("local", make_local, summary="a fresh process of this machine for each job")
