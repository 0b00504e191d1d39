"""Checks of tasks: the head, the loss and the metrics."""

from __future__ import annotations

import json
import math

import numpy as np
import torch

from tlbench.contracts.task import Metric, Task, merit
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.labelled import Labelled, labelled
from tlbench.testing.kit.subject import Subject
from tlbench.words import listed

STATED, LOST = "states its metrics", "has a loss for each example"
"""Checks that others need."""
STEPS = 100
FEATURES = 16
CLOSE = 1e-5
MEAN_WITHIN = 0.02
"""How far the mean of example scores may be from the metric: pseudo-values of a metric that is no mean are biased."""


def _on_labels(subject: Subject) -> Labelled:
    entry = subject.component.entry
    return labelled(subject.made(), subject.registry, (entry.qualified, entry.name))


@check("task", STATED)
def states_its_metrics(subject: Subject) -> None:
    """It has metrics, each with a name of its own, and the primary one is among them."""
    task: Task = subject.made()
    names = [each.name for each in task.metrics]
    if not names or len(set(names)) < len(names):
        raise Failed(f"its metrics are {listed(names) or 'none'}; there must be one at least, each of another name")
    if task.primary not in names:
        raise Failed(f"its primary metric is {task.primary!r}, which is not among its metrics: {listed(names)}")


@check("task", "states the width of the head", needs=[STATED])
def states_the_width(subject: Subject) -> None:
    """`outputs` is a whole number above 0, for the task and for its objective alike."""
    given = subject.once(_on_labels)
    width = given.task.outputs(given.names)
    if not isinstance(width, int) or width < 1:
        raise Failed(f"the width of its head is {width!r} for {listed(given.names)}; it must be a whole number above 0")
    if given.objective.outputs != width:
        raise Failed(
            f"its head is {width} wide, and its objective has {given.objective.outputs} outputs; both must agree"
        )


@check("task", LOST, needs=[STATED])
def has_a_loss(subject: Subject) -> None:
    """The losses are N finite numbers, and their mean has a gradient that is finite and not 0."""
    given = subject.once(_on_labels)
    outputs = given.outputs.clone().requires_grad_()
    losses = given.objective.losses(outputs, given.labels)
    if tuple(losses.shape) != (len(outputs),) or not bool(torch.isfinite(losses).all()):
        raise Failed(f"its losses have the shape {tuple(losses.shape)}; finite numbers, one for each of {len(outputs)}")
    loss = given.objective.loss(outputs, given.labels)
    if not loss.requires_grad:
        raise Failed("its loss has no gradient; compute it of the outputs by differentiable operations")
    (gradient,) = torch.autograd.grad(loss, outputs, allow_unused=True)
    if gradient is None or not bool(torch.isfinite(gradient).all()) or not bool(gradient.any()):
        raise Failed("the gradient of its loss is 0 or not finite; a training step would change nothing")


@check("task", "is learned by a few steps", needs=[STATED, LOST])
def is_learned(subject: Subject) -> None:
    """On a constant batch the loss falls, and the primary metric does not get worse in the direction that it states."""
    given = subject.once(_on_labels)
    labels = given.labels[:FEATURES]
    drawn = torch.Generator().manual_seed(1)
    features = torch.randn(len(labels), FEATURES, generator=drawn)
    weight = torch.zeros(FEATURES, given.objective.outputs, requires_grad=True)
    optimizer = torch.optim.Adam([weight], 0.1)
    losses = []
    before = _primary(given, features @ weight, labels)
    for _ in range(STEPS):
        loss = given.objective.loss(features @ weight, labels)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if not losses[-1] < losses[0]:
        raise Failed(
            f"after {STEPS} steps on one batch its loss is {losses[-1]:.4g}, and was {losses[0]:.4g}; it must fall"
        )
    after = _primary(given, features @ weight, labels)
    better = given.task.primary_metric.better
    if before is not None and after is not None and merit(better, after) < merit(better, before):
        raise Failed(
            f"its loss falls, and its primary metric {given.task.primary} goes from {before:.4g} to {after:.4g}, where "
            f"{better} is better"
        )


def _primary(given: Labelled, outputs: torch.Tensor, labels: torch.Tensor) -> float | None:
    return given.objective.scores(given.objective.kept(outputs.detach(), labels))[given.task.primary]


@check("task", "keeps a row for each prediction", needs=[STATED])
def keeps_rows(subject: Subject) -> None:
    """What is kept of N predictions are tensors of N rows, `labels` and `loss` among them, all finite."""
    given = subject.once(_on_labels)
    kept = given.kept
    if missing := [name for name in ("labels", "loss") if name not in kept]:
        raise Failed(f"what it keeps of predictions lacks {listed(missing)}; it has {listed([*kept])}")
    for name, tensor in kept.items():
        if len(tensor) != len(given.labels):
            raise Failed(
                f"it keeps {len(tensor)} rows of {name} of {len(given.labels)} predictions; keep one row of each"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise Failed(f"what it keeps as {name} is not all finite numbers")


@check("task", "has metrics in their range", needs=[STATED])
def has_metrics_in_range(subject: Subject) -> None:
    """Each metric is None or a finite number, a share or a fraction in 0..1, on random and on constant outputs."""
    given = subject.once(_on_labels)
    constant = given.objective.constant()
    if tuple(constant.shape) != (given.objective.outputs,) or not bool(torch.isfinite(constant).all()):
        raise Failed(f"its constant prediction has the shape {tuple(constant.shape)}; finite numbers, one each output")
    for how, outputs in (("random", given.outputs), ("constant", constant.expand(len(given.labels), -1))):
        scores = given.objective.scores(given.objective.kept(outputs, given.labels))
        names = {each.name for each in given.task.metrics}
        if set(scores) != names:
            raise Failed(
                f"its scores are {listed(sorted(scores))}, and its metrics {listed(sorted(names))}; both must agree"
            )
        for metric in given.task.metrics:
            if said := out_of_range(metric, scores[metric.name]):
                raise Failed(f"of {how} outputs its metric {said}")


def out_of_range(metric: Metric, value: float | None) -> str | None:
    """What is wrong with a metric's value, if so."""
    if value is None:
        return None
    if not math.isfinite(value):
        return f"{metric.name} is {value}; it must be a finite number, or None where it can't be said"
    if metric.unit in ("share", "fraction") and not -CLOSE <= value <= 1 + CLOSE:
        return f"{metric.name} is {value:.4g}; a {metric.unit} lies in 0..1"
    return None


@check("task", "has example scores whose mean is the metric", needs=[STATED])
def has_example_scores(subject: Subject) -> None:
    """One finite number for each example, whose mean is the primary metric (nearly, where they are pseudo-values)."""
    given = subject.once(_on_labels)
    kept = given.kept
    scores = given.objective.example_scores(kept)
    if scores is None:
        raise NotApplicable("it gives no example scores")
    if tuple(scores.shape) != (len(given.labels),) or not bool(torch.isfinite(scores).all()):
        raise Failed(f"its example scores have the shape {tuple(scores.shape)}; finite numbers, one for each example")
    whole, mean = given.objective.scores(kept)[given.task.primary], float(scores.double().mean())
    if whole is not None and abs(mean - whole) > MEAN_WITHIN * max(1.0, abs(whole)):
        raise Failed(f"the mean of its example scores is {mean:.4g}, and its {given.task.primary} {whole:.4g}")


@check("task", "encodes labels as outputs should be", needs=[STATED])
def encodes_labels(subject: Subject) -> None:
    """`encoded` gives N×outputs floats, and `losses` takes them in place of labels where mixup is among its options."""
    given = subject.once(_on_labels)
    encoded = given.objective.encoded(given.labels)
    if tuple(encoded.shape) != tuple(given.outputs.shape) or not encoded.is_floating_point():
        raise Failed(f"its encoded labels have the shape {tuple(encoded.shape)}; floats {tuple(given.outputs.shape)}")
    if {"mixup", "cutmix"} & set(given.task.loss_options):
        plain, mixed = (given.objective.losses(given.outputs, each) for each in (given.labels, encoded))
        if not torch.allclose(plain, mixed, atol=1e-4, rtol=1e-4):
            raise Failed("its losses of encoded labels are others than those of the labels; mixup needs both to agree")


@check("task", "says what is predicted", needs=[STATED])
def says_what_is_predicted(subject: Subject) -> None:
    """`predicted` has a number for each name, and `answer` says a row in words; `described` says the names."""
    given = subject.once(_on_labels)
    predicted = given.objective.predicted(given.outputs)
    if len(predicted) != len(given.outputs) or predicted.ndim != 2 or predicted.shape[1] != len(given.names):
        raise Failed(
            f"its predictions have the shape {tuple(predicted.shape)}; one for each of {len(given.names)} names"
        )
    for what, said in (
        ("answer", given.task.answer(given.names, predicted[0].tolist())),
        ("described", given.task.described(given.names)),
    ):
        if not isinstance(said, str) or not said:
            raise Failed(f"its {what} gives {said!r}; it must be a text")


@check("task", "is the same with statistics from a file", needs=[STATED])
def same_with_statistics_from_a_file(subject: Subject) -> None:
    """What it knows of the training labels is numbers in JSON, and an objective made of them again is the same."""
    given = subject.once(_on_labels)
    try:
        read = json.loads(
            json.dumps({name: list(values) for name, values in given.statistics.items()}, allow_nan=False)
        )
    except (TypeError, ValueError) as error:
        raise Failed(
            f"its statistics can't be written as JSON: {error}; they must be lists of finite numbers"
        ) from error
    again = given.task.objective(given.names, read)
    one, other = (each.losses(given.outputs, given.labels) for each in (given.objective, again))
    if not torch.allclose(one, other, atol=CLOSE):
        raise Failed("its losses are others when its statistics were written and read again; they must be the same")


@check("task", "has a key for stratified splits", needs=[STATED])
def has_strata(subject: Subject) -> None:
    """`strata` gives an integer for each label."""
    given = subject.once(_on_labels)
    strata = np.asarray(given.task.strata(given.labels.numpy()))
    if strata.shape != (len(given.labels),) or strata.dtype.kind not in "iu":
        raise Failed(f"its strata have the shape {strata.shape} and the type {strata.dtype}; an integer for each label")
