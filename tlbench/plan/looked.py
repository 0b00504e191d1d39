"""What is known of a request's components before anything is decoded: what they start from, and what fits what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.channels import with_channels
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.errors import BackboneError
from tlbench.plan.cell import OtherBackbone, Protocol, WeightsPlan
from tlbench.plan.cells import (
    another_without_numbers,
    load,
    other_backbones,
    pairs,
    unadaptable,
    unadaptable_sentences,
    unserved_tasks,
    without_numbers,
)
from tlbench.plan.datasets import Loaded, misfits, other_datasets
from tlbench.plan.defaults import protocol_for
from tlbench.plan.found import Note, Tell
from tlbench.plan.named import resolve
from tlbench.plan.request import Request
from tlbench.plan.sizes import check_size
from tlbench.plan.sources import Means, check_file, choose_weights, weights_policies
from tlbench.plan.tasks import task_of
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

Fitted = Mapping[tuple[str, str], Backbone]
"""By backbone and dataset, the backbone built for the dataset's channels."""


@dataclass(frozen=True)
class Looked:
    """What is known of a request's components before anything is decoded, by their qualified names.

    `wanted` has the strategies of each backbone. `weights` are None where no strategy wants any. `models` has backbones
    as they are built for a dataset, but without numbers; None where that can't be. Why no cell is made is in
    `unadapted` by strategy, backbone and dataset, in `excluded` by strategy and dataset, in `unfit` by backbone and
    dataset.
    """

    backbones: Mapping[str, Component[Backbone]]
    strategies: Mapping[str, tuple[Component[Strategy], Strategy]]
    datasets: Mapping[str, Loaded]
    protocols: Mapping[str, Protocol]
    fitted: Fitted
    weights: Mapping[str, WeightsPlan | None]
    models: Mapping[tuple[str, str], TransferModel | None]
    others: Mapping[str, tuple[OtherBackbone, ...]]
    other_data: Mapping[str, dict[str, Loaded]]
    wanted: Mapping[str, list[str]]
    unadapted: Mapping[tuple[str, str, str], str]
    excluded: Mapping[tuple[str, str], str]
    unfit: Mapping[tuple[str, str], str]

    def strategies_of(self, backbone: str, dataset: str) -> list[str]:
        """The strategies that make a cell of the two."""
        if (backbone, dataset) in self.unfit:
            return []
        return [
            each
            for each in self.wanted[backbone]
            if (each, dataset) not in self.excluded and (each, backbone, dataset) not in self.unadapted
        ]

    def reasons(self) -> list[str]:
        """Why cells are left out, a sentence each."""
        unadapted = unadaptable_sentences(self.unadapted, self.models)
        return [*unadapted, *self.excluded.values(), *self.unfit.values()]


def look(request: Request, registry: Registry, device: str, tell: Tell, means: Means) -> Looked:
    """What is known before anything is decoded."""
    named = resolve(request, registry)
    strategies = {each.ref: (each, each.load()) for each in named.strategies}
    components, wanted = pairs(registry, named.backbones, {ref: each for ref, (_, each) in strategies.items()})
    backbones = {each.ref: load(each) for each in components}
    datasets = _datasets(request, registry, named.datasets, tell, means)
    bare = {ref: each.dataset for ref, each in datasets.items()}
    trained_at = [each.preprocessing.size for each in backbones.values() if each.weights is not None]
    protocols = {ref: protocol_for(request, dataset, device, trained_at) for ref, dataset in bare.items()}
    fitted, unfit = _fitted(backbones, bare)
    for (ref, dataset_ref), backbone in fitted.items():
        check_size(ref, backbone, dataset_ref, protocols[dataset_ref].image_size)
    policies = weights_policies(request.weights, list(backbones), registry.qualified_backbone)
    weights = {
        ref: _weights(ref, backbones[ref], policies[ref], fitted, protocols, means, tell)
        if any(strategies[each][1].pretrained for each in wanted[ref])
        else None
        for ref in backbones
    }
    note = partial(_note, tell)
    others = {
        each.ref: other_backbones(request, registry, each, protocols, note, means.weights) for each in named.strategies
    }
    other_data = {each.ref: other_datasets(registry, each) for each in named.strategies}
    models = _models(request, registry, fitted, weights, protocols)
    tasks = {ref: each.task_component.ref for ref, each in datasets.items()}
    unserved = unserved_tasks({ref: each for ref, (_, each) in strategies.items()}, wanted, tasks)
    return Looked(
        backbones={each.ref: each for each in components},
        strategies=strategies,
        datasets=datasets,
        protocols=protocols,
        fitted=fitted,
        weights=weights,
        models=models,
        others=others,
        other_data=other_data,
        wanted=wanted,
        unadapted=unadaptable(named.strategies, wanted, models),
        excluded=unserved | misfits(other_data, bare),
        unfit=unfit,
    )


def _datasets(
    request: Request, registry: Registry, components: list[Component[Dataset]], tell: Tell, means: Means
) -> dict[str, Loaded]:
    """The request's datasets with their tasks; in a dry run, those whose files lie on this machine."""
    if means.most_images is not None:
        components = [each for each in components if _on_this_machine(each, tell)]
    found = {}
    for component in components:
        dataset = load(component)
        found[component.ref] = Loaded(component, dataset, *task_of(registry, component.ref, dataset, request))
    return found


def _on_this_machine(component: Component[Dataset], tell: Tell) -> bool:
    """Whether a dataset's files lie here; where they don't, a word of it."""
    if component.entry.present is None or component.entry.present(component.options):
        return True
    tell(Note(f"to be downloaded: dataset {component.ref}; its trials are not counted below"))
    return False


def _fitted(
    backbones: Mapping[str, Backbone], datasets: Mapping[str, Dataset]
) -> tuple[dict[tuple[str, str], Backbone], dict[tuple[str, str], str]]:
    """By backbone and dataset, the backbone for the dataset's channels; or why there is none."""
    fitted, unfit = {}, {}
    for ref, backbone in backbones.items():
        for dataset_ref, dataset in datasets.items():
            try:
                fitted[ref, dataset_ref] = with_channels(backbone, dataset.channels)
            except BackboneError as error:
                unfit[ref, dataset_ref] = f"{ref} can't be used with {dataset_ref}: {error}"
    return fitted, unfit


def _weights(
    ref: str,
    own: Backbone,
    policy: str,
    fitted: Fitted,
    protocols: Mapping[str, Protocol],
    means: Means,
    tell: Tell,
) -> WeightsPlan:
    """Which tensors a backbone starts from; a file of them is held to the backbone as each dataset has it."""
    plan = choose_weights(ref, own, policy, partial(_note, tell), means.weights)
    for dataset_ref, protocol in protocols.items():
        backbone = fitted.get((ref, dataset_ref))
        if backbone is not None and (taken := check_file(ref, backbone, plan, protocol.image_size)):
            tell(Note(f"weights of {ref}: {policy}, {', '.join(taken)}"))
    return plan


def _models(
    request: Request,
    registry: Registry,
    fitted: Fitted,
    weights: Mapping[str, WeightsPlan | None],
    protocols: Mapping[str, Protocol],
) -> dict[tuple[str, str], TransferModel | None]:
    """What strategies judge each backbone by on each dataset; built once for equal channels and image sizes."""
    found: dict[tuple[str, str], TransferModel | None] = {}
    built: dict[tuple[str, int, int], TransferModel | None] = {}
    for (ref, dataset_ref), backbone in fitted.items():
        size = protocols[dataset_ref].image_size
        key = ref, len(backbone.preprocessing.mean), size
        if key not in built:
            usual = request.normalisation == "weights"  # the published head does not know images normalised otherwise
            own = backbone if usual else dataclasses.replace(backbone, published=None)
            model = built[key] = without_numbers(own, weights[ref], size)
            if model is not None:
                model.another = partial(another_without_numbers, registry, key[1], size)
        found[ref, dataset_ref] = built[key]
    return found


def _note(tell: Tell, text: str) -> None:
    tell(Note(text))
