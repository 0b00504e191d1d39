"""The tasks of a request's datasets: found by name, with their metrics, and held to what they know of losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from tlbench.contracts.dataset import Dataset
from tlbench.contracts.task import LossOption, Task
from tlbench.errors import UserError
from tlbench.plan.cells import load
from tlbench.plan.normalisation import CHOICES, parse_statistics
from tlbench.plan.plan import MetricPlan, TaskPlan
from tlbench.plan.request import Request
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.words import listed

LOSS_OPTIONS: tuple[LossOption, ...] = ("label_smoothing", "class_weights", "mixup", "cutmix")


def task_of(registry: Registry, ref: str, dataset: Dataset, request: Request) -> tuple[Component[Task], Task]:
    """The task of a dataset; raises UserError where it is unknown, or the request's options do not fit the dataset."""
    try:
        component = registry.tasks.resolve(dataset.task)
    except UserError as error:
        raise UserError(f"dataset {ref}: {error}") from error
    task = load(component)
    if request.normalisation not in CHOICES:
        given = len(parse_statistics(request.normalisation)[0])
        if given not in (1, dataset.channels):
            raise UserError(
                f"--normalisation {request.normalisation} is of {given} channels, and the images of {ref} have "
                f"{dataset.channels}"
            )
    for option in LOSS_OPTIONS:
        if getattr(request, option) and option not in task.loss_options:
            known = f"it knows {listed(list(task.loss_options))}" if task.loss_options else "leave it out"
            raise UserError(
                f"--{option.replace('_', '-')} is not possible with the task of dataset {ref}, {component.ref}; {known}"
            )
    return component, task


def task_plan(registry: Registry, ref: str, task: Task) -> TaskPlan:
    """A task's metrics and those that plugins add; raises UserError where two have one name, or none is primary."""
    metrics = [*task.metrics, *(each.metric for each in registry.metrics_of(ref))]
    names = [each.name for each in metrics]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise UserError(
            f"task {ref} has two metrics named {repeated!r}; leave out the plugin that adds one with --no-plugin"
        )
    if task.primary not in {each.name for each in task.metrics}:
        raise UserError(f"task {ref}: its primary metric {task.primary!r} is none of its metrics: {listed(names)}")
    return TaskPlan(primary=task.primary, metrics=tuple(MetricPlan(**asdict(each)) for each in metrics))


def plans(registry: Registry, tasks: Mapping[str, Task]) -> dict[str, TaskPlan]:
    """What a plan keeps of its tasks."""
    return {ref: task_plan(registry, ref, task) for ref, task in tasks.items()}
