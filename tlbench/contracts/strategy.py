"""A strategy: how a pretrained model is adapted, as a generator of phases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlbench.contracts.backbone import Family
from tlbench.contracts.options import Options

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.phases import Phase

BatchNormPolicy = Literal["auto", "train", "frozen"]
"""Whether BatchNorm statistics of what is trained move: they do, they don't, or a phase's steps and batches decide."""
Rates = Mapping[str, float | Mapping[Family, float]]
"""Learning rates by optimizer, and by family of backbones where they differ."""


Rebuild = Callable[["TransferModel", Any, Mapping[str, tuple[int, ...]]], object]
"""Makes of a fresh model the structure that a strategy leaves: given the model, the options, and shapes of tensors."""


@dataclass(frozen=True)
class Strategy:
    """How a pretrained model is adapted: a generator of phases, and the learning rate it wants by default.

    `learning_rates` maps an optimizer's name to the strategy's default rate, or to one for each family of backbones;
    empty, the strategy has no steps. `passes(options)` is how many times the protocol's epochs its phases train in all,
    where that is not once. `batchnorm` says whether the BatchNorm statistics of what it trains move where the request
    leaves that open (`auto`: by the number of steps). With
    `pretrained=False` it starts from random weights on purpose. With a `backbone` of its own (a qualified name), it
    makes one cell for each dataset, whatever backbones are asked for.

    With `head_only` it is one `Train` of the head by the task's loss, and nothing else; then the heads of all seeds and
    rates are trained together. A trial of a strategy that claims it and does anything else fails.

    A `baseline` is trivial: what is no better than it has learned nothing of use, and reports say so.

    A strategy whose models have other tensors in the end than the backbone has makes these by
    `rebuild(model, options, shapes)`, so that a saved model can be loaded; its numbers do not matter. `not_saved` says
    why its models can't be saved, if so.

    `tasks` names the tasks that it serves; None is any. `serves(model, options)` says why the strategy can't adapt a
    model, naming the layers, or None; the model has names and shapes, but no numbers, and so have those that its
    `another` builds. `others(options)` names the other backbones that the strategy builds by `model.another`,
    `datasets(options)` the other datasets that it trains on (`TrainData`). `summary`, `details`, `paper` and `when` (to
    use it) are for `tlbench list` and the documentation.
    """

    name: str
    phases: Callable[[TransferModel, Any], Iterator[Phase]]
    learning_rates: Rates
    options: type[Options] = Options
    pretrained: bool = True
    backbone: str | None = None
    serves: Callable[[TransferModel, Any], str | None] | None = None
    others: Callable[[Any], Sequence[str]] | None = None
    datasets: Callable[[Any], Sequence[str]] | None = None
    passes: Callable[[Any], float] | None = None
    batchnorm: BatchNormPolicy = "auto"
    tasks: tuple[str, ...] | None = None
    rebuild: Rebuild | None = None
    not_saved: str | None = None
    head_only: bool = False
    baseline: bool = False
    summary: str = ""
    details: str = ""
    paper: str = ""
    when: str = ""

    def serves_task(self, task: str) -> bool:
        """Whether it serves a task of a qualified name."""
        return self.tasks is None or bool({task, task.rpartition("/")[2]} & set(self.tasks))

    def rate(self, optimizer: str, family: Family) -> float | None:
        """The default rate with an optimizer for a family of backbones; None where the strategy states none."""
        rates = self.learning_rates.get(optimizer)
        return rates.get(family) if isinstance(rates, Mapping) else rates


def strategy(
    name: str,
    *,
    learning_rates: Rates,
    options: type[Options] = Options,
    pretrained: bool = True,
    backbone: str | None = None,
    serves: Callable[[TransferModel, Any], str | None] | None = None,
    others: Callable[[Any], Sequence[str]] | None = None,
    datasets: Callable[[Any], Sequence[str]] | None = None,
    passes: Callable[[Any], float] | None = None,
    batchnorm: BatchNormPolicy = "auto",
    tasks: tuple[str, ...] | None = None,
    rebuild: Rebuild | None = None,
    not_saved: str | None = None,
    head_only: bool = False,
    baseline: bool = False,
    paper: str = "",
    when: str = "",
) -> Callable[[Callable[[TransferModel, Any], Iterator[Phase]]], Strategy]:
    """Make a strategy of a generator function; its docstring's first line is the summary, the rest the details."""

    def wrap(phases: Callable[[TransferModel, Any], Iterator[Phase]]) -> Strategy:
        summary, _, details = inspect.cleandoc(phases.__doc__ or "").partition("\n")
        rates = dict(learning_rates)
        return Strategy(
            name,
            phases,
            rates,
            options,
            pretrained,
            backbone,
            serves,
            others,
            datasets,
            passes,
            batchnorm,
            tasks,
            rebuild,
            not_saved,
            head_only,
            baseline,
            summary=summary,
            details=details.strip(),
            paper=paper,
            when=when,
        )

    return wrap
