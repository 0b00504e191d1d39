"""Everything that a plugin can implement, on one page.

A plugin is a module named by an entry point of the group "tlbench". It states `tlbench_api = 1` and implements
any of these hooks under `@tlbench.hookimpl`. Registering costs nothing: give names and factories, and import
torch or a provider inside the factory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tlbench.plan.cell import Trial
    from tlbench.plan.plan import Plan
    from tlbench.registry.register import (
        RegisterAugmentation,
        RegisterBackbone,
        RegisterColumn,
        RegisterCommand,
        RegisterDataset,
        RegisterExecutor,
        RegisterFormat,
        RegisterMetric,
        RegisterOptimizer,
        RegisterReporter,
        RegisterSchedule,
        RegisterStrategy,
        RegisterSuite,
        RegisterTask,
    )
    from tlbench.results.records import Record

    Hook = TypeVar("Hook", bound=Callable[..., Any])

hookspec = pluggy.HookspecMarker("tlbench")
hookimpl = pluggy.HookimplMarker("tlbench")


def deprecated(missing_from: str, instead: str) -> Callable[[Hook], Hook]:
    """Mark a hook that may be missing from a date (`2027-06-01`) on: a plugin that implements it is told, and works."""

    def mark(hook: Hook) -> Hook:
        said = DeprecationWarning(f"{hook.__name__} may be missing from {missing_from} on; {instead}")
        return hookspec(hook, warn_on_impl=said)

    return mark


@hookspec
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register backbones: `register(name, factory)`, or a long list of them: `register.family(…)`."""


@hookspec
def tlbench_register_datasets(register: RegisterDataset) -> None:
    """Register datasets: `register(name, factory, options=…, check=…, present=…)`."""


@hookspec
def tlbench_register_suites(register: RegisterSuite) -> None:
    """Register suites, datasets that are compared over together: `register(name, members, split=…)`."""


@hookspec
def tlbench_register_strategies(register: RegisterStrategy) -> None:
    """Register strategies made with `@tlbench.strategy`: `register(my_strategy)`."""


@hookspec
def tlbench_register_tasks(register: RegisterTask) -> None:
    """Register tasks: `register(name, factory)`; the factory gives a `tlbench.Task`."""


@hookspec
def tlbench_register_metrics(register: RegisterMetric) -> None:
    """Register metrics that are added to tasks: `register(tlbench.ExtraMetric(…))`."""


@hookspec
def tlbench_register_columns(register: RegisterColumn) -> None:
    """Register columns of the reports: `register(tlbench.Column(…))`."""


@hookspec
def tlbench_register_executors(register: RegisterExecutor) -> None:
    """Register executors, who run jobs: `register(name, factory)`; the factory gives a `tlbench.Executor`."""


@hookspec
def tlbench_register_reporters(register: RegisterReporter) -> None:
    """Register reporters, who are told of a run: `register(name, factory)`; the factory gives a `tlbench.Reporter`."""


@hookspec
def tlbench_register_optimizers(register: RegisterOptimizer) -> None:
    """Register optimizers for `--optimizer`: `register(name, make)`; `make(groups, lr)` gives torch's optimizer."""


@hookspec
def tlbench_register_schedules(register: RegisterSchedule) -> None:
    """Register schedules for `--schedule`: `register(name, schedule)`; `schedule(step, steps)` is the rate's factor."""


@hookspec
def tlbench_register_augmentations(register: RegisterAugmentation) -> None:
    """Register augmentations for `--augment`: `register(name, make)`; `make(image_size)` gives what changes a batch."""


@hookspec
def tlbench_register_formats(register: RegisterFormat) -> None:
    """Register formats of `tlbench show`: `register(name, render)`; `render(results)` gives the text of a run."""


@hookspec
def tlbench_register_commands(register: RegisterCommand) -> None:
    """Register commands of `tlbench`: `register(name, command)`, a function or app as typer takes them."""


@hookspec
def tlbench_run_defaults() -> Mapping[str, object]:  # type: ignore[empty-body]
    """Give defaults of a run's options by name, {"epochs": 3}: flags, keywords and configurations win over them."""


@hookspec
def tlbench_run_started(plan: Plan, folder: Path) -> None:
    """Called once, in the parent process, after preflight and before the first trial."""


@hookspec
def tlbench_trial_started(trial: Trial) -> None:
    """Called in the parent process when a trial's process has been started."""


@hookspec
def tlbench_epoch_finished(trial: Trial, epoch: int, values: dict[str, Any]) -> None:
    """Called in the parent process after each epoch (from 1) with its mean training loss and images per second."""


@hookspec
def tlbench_trial_finished(trial: Trial, record: Record) -> None:
    """Called in the parent process when a trial's record has been written, whatever its status."""


@hookspec
def tlbench_around_trial(  # type: ignore[empty-body]
    trial: Trial, folder: Path
) -> AbstractContextManager[object]:
    """Called in a trial's own process: give a context manager, a profiler or another meter.

    It is entered before the model is built and left when the record is made. What it writes goes to `folder`, where
    the records lie. Where the heads of several seeds are trained together, `trial` is the first of them.
    """


@hookspec
def tlbench_run_finished(plan: Plan, folder: Path, records: list[Record]) -> None:
    """Called once, in the parent process, when no more trials will run."""
