"""A teacher, fine-tuned first or given, says what it sees, and the student learns to say the same."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tlbench import Look, Options, Phase, Train, strategy
from tlbench_strategies import rates

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.batch import Batch
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.seen import Seen


class Teacher(Options):
    """Who teaches."""

    teacher: str | None = Field(None, description="the teacher's backbone; none: another copy of the student's")
    weights: Path | None = Field(None, description="a file of the fine-tuned teacher; none: it is fine-tuned first")
    teacher_lr: float = Field(1.0, gt=0, description="the rate of the teacher's fine-tuning, as a factor")


class Distill(Teacher):
    """How much of it."""

    weight: float = Field(0.9, ge=0, le=1, description="of the teacher's soft labels; the true ones have the rest")
    temperature: float = Field(4.0, gt=0, description="what logits are divided by before they are compared")


def teachers(options: Teacher) -> tuple[str, ...]:
    """The backbones that are needed besides the student's."""
    return () if options.teacher is None else (options.teacher,)


def passes(options: Teacher) -> float:
    """How many times the protocol's epochs are trained: the teacher's, unless it is ready, and the student's."""
    return 2.0 if options.weights is None else 1.0


@strategy(
    "distill",
    learning_rates=rates.FULL,
    options=Distill,
    others=teachers,
    passes=passes,
    tasks=("single-label",),
    paper="Hinton, Vinyals & Dean 2015, Distilling the Knowledge in a Neural Network, arXiv:1503.02531; without "
    "another teacher: Furlanello et al. 2018, Born-Again Neural Networks, arXiv:1805.04770",
    when="a small model must do what a large one can",
)
def distill(model: TransferModel, options: Distill) -> Generator[Phase, Any, None]:
    """Fine-tune a teacher as full does, then train everything on its softened outputs and on the labels.

    Minimises weight · T² · KL(teacher ‖ student), both at temperature T, + (1 - weight) · cross-entropy. What the
    teacher costs is in the trial's cost.
    """
    teacher = yield from taught(model, options)

    def objective(seen: Seen) -> torch.Tensor:
        import torch

        with torch.no_grad():
            before = teacher.module(seen.images)
        soft = soft_loss(seen.outputs, before, options.temperature)
        return options.weight * soft + (1 - options.weight) * seen.loss

    yield Train(model.everything, objective=objective)


def soft_loss(logits: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(teacher ‖ student) of N×classes logits divided by T, averaged over N."""
    import torch.nn.functional as F

    student_log, teacher_log = (each.div(temperature).log_softmax(1) for each in (logits, teacher))
    return temperature**2 * F.kl_div(student_log, teacher_log, reduction="batchmean", log_target=True)


class FeatureDistill(Teacher):
    """How much of it."""

    strength: float = Field(1.0, ge=0, description="of the features' distance; the labels' loss counts 1")


@strategy(
    "feature-distill",
    learning_rates=rates.FULL,
    options=FeatureDistill,
    others=teachers,
    passes=passes,
    paper="Romero et al. 2015, FitNets: Hints for Thin Deep Nets, arXiv:1412.6550, eq. 3, on what the head is given",
    when="the teacher has other classes, or its features are worth more than its answers",
)
def feature_distill(model: TransferModel, options: FeatureDistill) -> Generator[Phase, Any, None]:
    """Fine-tune a teacher as full does, then train everything on the labels and on the features before its head.

    A linear layer, trained with the rest and removed at the end, maps the student's features to the teacher's width;
    the mean squared difference is added to the loss. FitNets compares a layer in the middle (a hint), trains the
    student up to there by it first, and then distils the outputs; here the hint is the last features, and both losses
    are minimised at once.
    """
    from torch import nn

    teacher = yield from taught(model, options)
    widths = yield Look(lambda model, batches: feature_widths(model, teacher, batches))
    regressor = nn.Linear(*widths)
    model.attach("hint_regressor", regressor)

    def objective(seen: Seen) -> torch.Tensor:
        import torch
        import torch.nn.functional as F

        with torch.no_grad(), teacher.watched((), head_input=True) as hints:
            teacher.module(seen.images)
        mapped = regressor(seen.features.flatten(1))
        return seen.loss + options.strength * F.mse_loss(mapped, next(iter(hints.values())).flatten(1))

    yield Train(model.everything, objective=objective)


def taught(model: TransferModel, options: Teacher) -> Generator[Phase, Any, TransferModel]:
    """The phases that make a teacher; gives it, frozen."""
    teacher = model.copy() if options.teacher is None else model.another(options.teacher)
    if options.weights is not None:
        from tlbench.toolkit import inner, load_whole

        load_whole(inner(teacher.module), options.weights)
    else:
        yield Train(teacher.everything, lr=options.teacher_lr, of=teacher)
    teacher.module.requires_grad_(False).eval()
    return teacher


def feature_widths(student: TransferModel, teacher: TransferModel, batches: Iterable[Batch]) -> tuple[int, int]:
    """How many numbers each head is given for an image."""
    import torch

    images = next(iter(batches)).images[:1]
    found = []
    for each in (student, teacher):
        with torch.inference_mode(), each.watched((), head_input=True) as given:
            each.module.eval()(images)
        found.append(next(iter(given.values())).flatten(1).shape[1])
    return found[0], found[1]


STRATEGIES = (distill, feature_distill)
