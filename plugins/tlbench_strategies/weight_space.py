"""Where the trained weights end: between two models, in the middle of several, within a ball around the source's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tlbench import Options, Phase, Rewrite, Train, Validate, strategy
from tlbench_strategies import rates

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.model import Snapshot, TransferModel


class WiseFT(Options):
    """How far to go."""

    alpha: float = Field(0.5, ge=0, le=1, description="0 is the probe on the source weights, 1 is full")


@strategy(
    "wise-ft",
    learning_rates=rates.FULL,
    options=WiseFT,
    passes=lambda _options: 2.0,
    paper="Wortsman et al. 2022, Robust fine-tuning of zero-shot models, arXiv:2109.01903, eq. 1",
    when="the model must not lose what it could before: it costs nothing to go only half the way",
)
def wise_ft(model: TransferModel, options: WiseFT) -> Iterator[Phase]:
    """Train a probe on the source weights, everything from there, and take the weights between the two.

    The probe stands in for the paper's zero-shot head, as in its appendix on linear classifiers. BatchNorm statistics
    that differ are not averaged but estimated again. Both trainings have all epochs.
    """
    yield Train(model.head, lr=rates.head_factor(model))
    probe = model.snapshot()
    yield Train(model.everything)
    yield Rewrite(lambda model: model.interpolate(probe, options.alpha))


class Soup(Options):
    """What goes into the soup."""

    recipe: Literal["greedy", "uniform"] = Field(
        "greedy", description="greedy keeps what does not harm val; uniform all"
    )
    rates: tuple[float, ...] = Field((0.3, 1.0, 3.0), description="factors of the learning rate, one model each")


@strategy(
    "model-soup",
    learning_rates=rates.FULL,
    options=Soup,
    passes=lambda options: float(len(options.rates)),
    paper="Wortsman et al. 2022, Model soups, arXiv:2203.05482, recipe 1",
    when="several models are trained anyway, and one must be shipped",
)
def model_soup(model: TransferModel, options: Soup) -> Generator[Phase, Any, None]:
    """Train everything several times from the same start at different rates, and average the weights.

    The greedy recipe takes the models in the order of their primary metric on val, and keeps each that does not lower
    that of the average. Every model has all epochs, so it costs as many times as much as full.
    """
    start = model.snapshot()
    members: list[tuple[Any, Snapshot]] = []
    for factor in options.rates:
        yield Rewrite(lambda model: model.restore(start))
        yield Train(model.everything, lr=factor)
        score = yield Validate()
        members.append((score, model.snapshot()))
    members.sort(key=lambda each: -each[0].merit[0])
    best, kept = members[0][0].merit[0], [members[0][1]]
    for _, member in members[1:]:
        tried = [*kept, member]
        yield Rewrite(lambda model, tried=tried: model.average(tried))  # type: ignore[misc]
        score = yield Validate()
        if options.recipe == "uniform" or score.merit[0] >= best:
            best, kept = score.merit[0], tried
    model.notes["soup_members"] = len(kept)
    yield Rewrite(lambda model: model.average(kept))


class Mars(Options):
    """The ball."""

    radius: float = Field(1.0, gt=0, description="the largest distance of a layer's weights from the source's")
    norm: Literal["mars", "l2"] = Field("mars", description="mars: the largest sum of a row's absolutes; l2: Frobenius")


@strategy(
    "mars",
    learning_rates=rates.FULL,
    options=Mars,
    paper="Gouk, Hospedales & Pontil 2021, Distance-Based Regularisation of Deep Networks, arXiv:2002.08253, eq. 9",
    when="a bound is wanted on how far the model may go, and not only a pull",
)
def mars(model: TransferModel, options: Mars) -> Iterator[Phase]:
    """Train everything, and after each step pull every layer's weights back into a ball around the source's."""
    source = model.snapshot(model.body)

    def project(model: TransferModel) -> None:
        for name, weight in model.parameters(model.body):
            if weight.ndim > 1:
                pull_back(weight, source[name], options.radius, options.norm)

    yield Train(model.everything, after_step=project)


def pull_back(weight: torch.Tensor, source: torch.Tensor, radius: float, norm: str) -> None:
    """Move a weight towards the source, along the line between them, until it is in the ball."""
    import torch

    with torch.no_grad():
        way = weight - source
        rows = way.flatten(1)
        length = rows.abs().sum(1).max() if norm == "mars" else rows.norm()
        weight.copy_(torch.where(length > radius, source + way * (radius / length), weight))


STRATEGIES = (wise_ft, model_soup, mars)
