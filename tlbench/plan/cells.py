"""Which cells a request makes: every strategy on every backbone that it can adapt, and what each starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tlbench.contracts.backbone import Backbone, Family
from tlbench.contracts.channels import with_channels
from tlbench.contracts.strategy import Strategy
from tlbench.data.prepared import PreparedDataset
from tlbench.errors import UserError
from tlbench.plan.cell import (
    Cell,
    OtherBackbone,
    OtherDatasetPlan,
    Protocol,
    ResolvedOptions,
    ShiftPlan,
    SourcePlan,
    WeightsPlan,
)
from tlbench.plan.corruptions import strengths_of
from tlbench.plan.request import OwnRate, Request, TunedRate
from tlbench.plan.sizes import check_size, on_meta
from tlbench.plan.weights import POLICIES, Get, choose_weights
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.words import listed

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

T = TypeVar("T")


def pairs(
    registry: Registry, asked: list[Component[Backbone]], strategies: Mapping[str, Strategy]
) -> tuple[list[Component[Backbone]], dict[str, list[str]]]:
    """The backbones that cells are made of, and by each one's name the strategies that adapt it.

    A strategy with a backbone of its own adapts that one; backbones that no strategy is left for are not looked at.
    """
    wanted: dict[str, list[str]] = {component.ref: [] for component in asked}
    components = {component.ref: component for component in asked}
    for ref, strategy in strategies.items():
        own = [registry.backbones.resolve(strategy.backbone)] if strategy.backbone else asked
        for component in own:
            components.setdefault(component.ref, component)
            wanted.setdefault(component.ref, []).append(ref)
    return [component for ref, component in components.items() if wanted[ref]], wanted


def unadaptable(
    strategies: list[Component[Strategy]],
    wanted: Mapping[str, list[str]],
    models: Mapping[tuple[str, str], TransferModel | None],
) -> dict[tuple[str, str, str], str]:
    """By strategy, backbone and dataset, why the strategy says that it can't adapt the backbone.

    `models` has each backbone as it is built for each dataset, also as it goes on from a source; None can't be judged.
    """
    found = {}
    for component in strategies:
        strategy = component.load()
        for (backbone, dataset), model in models.items() if strategy.serves is not None else ():
            if component.ref in wanted.get(backbone, ()) and model is not None and strategy.serves is not None:
                reason = strategy.serves(model, component.options)
                if reason is not None:
                    found[component.ref, backbone, dataset] = reason
    return found


def unadaptable_sentences(
    reasons: Mapping[tuple[str, str, str], str], models: Mapping[tuple[str, str], object]
) -> list[str]:
    """What `unadaptable` has found, a sentence each; the dataset is named where the backbone serves for others."""
    said: dict[str, None] = {}
    for (strategy, backbone, dataset), reason in reasons.items():
        everywhere = all((strategy, ref, each) in reasons for ref, each in models if ref == backbone)
        where = "" if everywhere else f" on {dataset}"
        said[f"{strategy} can't adapt {backbone}{where}: {reason}"] = None
    return list(said)


def unserved_tasks(
    strategies: Mapping[str, Strategy], backbones: Mapping[str, list[str]], tasks: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """By strategy and dataset, why no cell is made of them: the strategy does not serve the dataset's task.

    `tasks` has the task of each dataset, `backbones` the strategies of each backbone.
    """
    wanted = {each for refs in backbones.values() for each in refs}
    return {
        (ref, dataset): f"{ref} serves {listed(strategy.tasks or ())}, and the task of {dataset} is {task}"
        for ref, strategy in strategies.items()
        for dataset, task in tasks.items()
        if ref in wanted and not strategy.serves_task(task)
    }


def without_numbers(backbone: Backbone, starts: WeightsPlan | None, image_size: int) -> TransferModel | None:
    """What strategies judge a backbone by: its model without numbers, which knows its source where a trial's will."""
    model = on_meta(backbone, image_size)
    if model is not None and backbone.published and starts is not None and starts.kind == "pretrained":
        model.published = partial(backbone.published, image_size)
    return model


def another_without_numbers(registry: Registry, channels: int, image_size: int, name: str) -> TransferModel:
    """Another backbone as strategies judge it beside the one to adapt; raises LookupError where that can't be built."""
    backbone: Backbone = load(registry.backbones.resolve(name))
    model = on_meta(with_channels(backbone, channels), image_size)
    if model is None:
        raise LookupError(f"backbone {name} can't be built without numbers")
    return model


def other_backbones(
    request: Request,
    registry: Registry,
    component: Component[Strategy],
    protocols: Mapping[str, Protocol],
    tell: Callable[[str], object],
    get: Get,
) -> tuple[OtherBackbone, ...]:
    """The other backbones that a strategy builds, from published weights where these are available."""
    strategy = component.load()
    policy = request.weights if request.weights in POLICIES else "auto"
    found = []
    for name in strategy.others(component.options) if strategy.others else ():
        other = registry.backbones.resolve(name)
        backbone = load(other)
        for dataset, protocol in protocols.items():
            check_size(other.ref, backbone, dataset, protocol.image_size)
        plan = choose_weights(other.ref, backbone, policy, tell, get)
        digest = other.local_digest
        found.append(OtherBackbone(backbone=other.ref, weights=plan, options=other.resolved, source_digest=digest))
    return tuple(found)


SOURCES: Mapping[str, Literal["published", "file", "none"]] = {
    "pretrained": "published",
    "file": "file",
    "random": "none",
}
"""What a backbone has learned before, by the kind of its weights."""


@dataclass(frozen=True)
class Pair:
    """A backbone on a dataset: what all cells of the two have in common.

    `weights` are None where no strategy wants any, and `source` where these are all that the backbone learns before;
    `resolved` has the values of all options of both and of the task, `sources` the digests of those that are local.
    """

    backbone: str
    dataset: str
    task: str
    device: str
    protocol: Protocol
    weights: WeightsPlan | None
    family: Family
    data: PreparedDataset
    resolved: Mapping[str, ResolvedOptions]
    sources: Mapping[str, str]
    source: SourcePlan | None = None


def make_cell(
    request: Request,
    pair: Pair,
    component: Component[Strategy],
    strategy: Strategy,
    others: tuple[OtherBackbone, ...],
    other_datasets: tuple[OtherDatasetPlan, ...],
    test_on: tuple[ShiftPlan, ...] = (),
) -> Cell:
    """The cell of a strategy; raises UserError where the strategy states no learning rate, and none is given."""
    protocol = pair.protocol
    if strategy.pretrained and pair.weights is not None:
        weights = pair.weights
    else:
        weights = WeightsPlan(kind="random", reason="strategy")
    has_steps = bool(strategy.learning_rates)
    own_rate = strategy.rate(protocol.optimizer, pair.family)
    needs_own = any(isinstance(each, OwnRate) for each in request.tune) if request.tune else request.lr is None
    if has_steps and own_rate is None and needs_own:
        raise UserError(
            f"strategy {component.ref} states no learning rate for {protocol.optimizer} on {pair.backbone} "
            f"({pair.family}); give one with --lr"
        )
    options = {**pair.resolved, "strategy": component.resolved}
    return Cell(
        backbone=pair.backbone,
        source=pair.source.kind if pair.source else SOURCES[weights.kind],
        dataset=pair.dataset,
        strategy=component.ref,
        device=pair.device,
        protocol=protocol,
        learning_rate=None if request.tune or not has_steps else request.lr or own_rate,
        tuned_rates=_rates_to_try(request.tune, own_rate) if has_steps else (),
        weights=weights,
        source_model=pair.source,
        others=others,
        other_datasets=other_datasets,
        dataset_digest=pair.data.digest,
        task=pair.task,
        options={kind: given for kind, given in options.items() if given},
        sources={**pair.sources, **local_sources(component)},
        corruptions=strengths_of(request.corruptions, protocol.image_size),
        test_on=test_on,
    )


def local_sources(*components: Component[Any]) -> dict[str, str]:
    """The digests of components from plugins that are not installed, by their kind."""
    return {each.entry.kind: each.local_digest for each in components if each.local_digest is not None}


def _rates_to_try(tune: tuple[TunedRate, ...], own_rate: float | None) -> tuple[float, ...]:
    """With multiples of the strategy's own rate as rates; 0.1 times 0.003 is 0.0003 and not 0.00030000000000000003."""
    rates = (float(f"{each.times * (own_rate or 0):.12g}") if isinstance(each, OwnRate) else each for each in tune)
    return tuple(dict.fromkeys(rates))


def load(component: Component[T]) -> T:
    """Call a plugin's factory; what it raises by accident is told as the plugin's fault."""
    try:
        return component.load()
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit is a plugin's fault like any other
        origin = component.entry.origin
        raise UserError(
            f"{component.entry.kind} {component.ref} can't be made: plugin {origin.plugin} ({origin.distribution} "
            f"{origin.version}) raised {type(error).__name__}: {error}"
        ) from error
