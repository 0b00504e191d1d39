"""Checks of metrics that plugins add to tasks."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tlbench.contracts.task import ExtraMetric, Kept
from tlbench.errors import UserError
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.labelled import Labelled, labelled
from tlbench.testing.kit.subject import Subject
from tlbench.testing.kit.task import out_of_range
from tlbench.words import listed

CLOSE = 1e-5


def _tasks(subject: Subject) -> list[Labelled]:
    """The tasks that the metric is added to, on labels; raises Failed where one is unknown."""
    metric: ExtraMetric = subject.made()
    found = []
    for name in metric.tasks:
        try:
            component = subject.registry.tasks.resolve(name)
        except UserError as error:
            raise Failed(f"it is added to the task {name!r}: {error}") from error
        entry = component.entry
        found.append(labelled(component.load(), subject.registry, (entry.qualified, entry.name)))
    return found


def _known(subject: Subject) -> list[Labelled]:
    try:
        return subject.once(_tasks)
    except Failed as error:
        raise NotApplicable("it names no task that is registered") from error


@check("metric", "is added to tasks that there are")
def is_added_to_tasks(subject: Subject) -> None:
    """It names one task at least, each is registered, and none has a metric of its name already."""
    metric: ExtraMetric = subject.made()
    if not metric.tasks:
        raise Failed("it is added to no task; name those that it is of, as they are registered")
    for given in subject.once(_tasks):
        if metric.metric.name in [each.name for each in given.task.metrics]:
            raise Failed(
                f"the task {listed(metric.tasks)} has a metric {metric.metric.name!r} already; take another name"
            )


def _values(subject: Subject) -> Iterator[tuple[Kept, float | None]]:
    """What the task keeps of random outputs, and what the metric makes of it."""
    for given in _known(subject):
        kept = given.kept
        yield kept, _value(subject.made(), kept)


def _value(metric: ExtraMetric, kept: Kept) -> float | None:
    try:
        return metric.compute(kept)
    except Exception as error:
        raise Failed(f"compute raises {type(error).__name__}: {error}; it is given {listed([*kept])}") from error


@check("metric", "is a finite number in its range", needs=["is added to tasks that there are"])
def is_finite(subject: Subject) -> None:
    """Of predictions it is a finite number, a share or a fraction in 0..1, or None where it can't be said."""
    metric: ExtraMetric = subject.made()
    for _, value in _values(subject):
        if value is None:
            raise NotApplicable("it can't be said of random predictions")
        if not isinstance(value, int | float):
            raise Failed(f"it is a {type(value).__name__}; compute must give a number, float(…), or None")
        if said := out_of_range(metric.metric, value):
            raise Failed(f"of random predictions it is out of range: {said}")


@check("metric", "is the same twice, and changes nothing", needs=["is added to tasks that there are"])
def same_twice(subject: Subject) -> None:
    """Computed twice it is the same, and the tensors that it is given stay as they are."""
    for kept, value in _values(subject):
        before = {name: tensor.clone() for name, tensor in kept.items()}
        other = _value(subject.made(), kept)
        if changed := [name for name in before if not torch.equal(before[name], kept[name])]:
            raise Failed(f"it changes {listed(changed)}, which other metrics are computed of, too; work on a copy")
        if value != other:
            raise Failed(f"it is {value}, and {other} of the same predictions; it must be the same")


@check("metric", "does not depend on the order of examples", needs=["is the same twice, and changes nothing"])
def does_not_depend_on_order(subject: Subject) -> None:
    """Of the same predictions in another order it is the same."""
    for kept, value in _values(subject):
        number = len(kept["labels"])
        order = torch.randperm(number, generator=torch.Generator().manual_seed(2))
        other = _value(subject.made(), {name: tensor[order] for name, tensor in kept.items()})
        if value is None or other is None:
            raise NotApplicable("it can't be said of random predictions")
        if abs(float(value) - float(other)) > CLOSE * max(1.0, abs(float(value))):
            raise Failed(f"it is {value:.6g}, and {other:.6g} of the same predictions in another order")
