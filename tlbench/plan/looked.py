"""What is known of a request's components before anything is decoded: what they start from, and what fits what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
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
from tlbench.plan.corruptions import check_channels
from tlbench.plan.datasets import Loaded, misfits, other_datasets
from tlbench.plan.defaults import protocol_for
from tlbench.plan.found import Note, Tell
from tlbench.plan.named import resolve
from tlbench.plan.published_source import source_data
from tlbench.plan.request import Request
from tlbench.plan.shifts import shifts_of
from tlbench.plan.sizes import check_size
from tlbench.plan.sources import DatasetSource, Source, source_strategy
from tlbench.plan.starts import Stage, Start, check_source_sizes, sourced_models, starts_of, unsourced
from tlbench.plan.suites import in_one_size
from tlbench.plan.tasks import task_of
from tlbench.plan.weights import Means, check_file, choose_weights, weights_policies
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

Fitted = Mapping[tuple[str, str], Backbone]
"""By backbone and dataset, the backbone built for the dataset's channels."""


@dataclass(frozen=True)
class Looked:
    """What is known of a request's components before anything is decoded, by their qualified names.

    `starts` are the backbones as they are, and as they go on from each source; `stage` says how it is trained on source
    datasets, `source_data` is what published weights are measured on again, `shifts` what models of each dataset are
    tested on besides. `weights` are None where no strategy wants any. `models` has by the start's name the backbone as
    it is built for a dataset, but without numbers; None where that can't be. Why no cell is made is in `unadapted` by
    strategy, start and dataset, in `excluded` by strategy and dataset, in `unfit` by start and dataset.
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
    starts: Sequence[Start]
    stage: Stage
    source_data: Loaded | None
    suites: Mapping[str, tuple[str, ...]]
    shifts: Mapping[str, list[Loaded]]
    unadapted: Mapping[tuple[str, str, str], str]
    excluded: Mapping[tuple[str, str], str]
    unfit: Mapping[tuple[str, str], str]

    def strategies_of(self, start: Start, dataset: str) -> list[str]:
        """The strategies that make a cell of the two."""
        if {(start.backbone, dataset), (start.name, dataset)} & self.unfit.keys():
            return []
        return [
            each
            for each in start.strategies
            if (each, dataset) not in self.excluded and (each, start.name, dataset) not in self.unadapted
        ]

    def starts_on(self, backbone: str, dataset: str) -> list[tuple[Start, list[str]]]:
        """What a backbone goes on from on a dataset, and the strategies that do."""
        starts = (start for start in self.starts if start.backbone == backbone)
        return [(start, served) for start in starts if (served := self.strategies_of(start, dataset))]

    def reasons(self) -> list[str]:
        """Why cells are left out, a sentence each."""
        unadapted = unadaptable_sentences(self.unadapted, self.models)
        return [*unadapted, *self.excluded.values(), *dict.fromkeys(self.unfit.values())]


def look(request: Request, registry: Registry, device: str, tell: Tell, means: Means) -> Looked:
    """What is known before anything is decoded."""
    named = resolve(request, registry)
    strategies = {each.ref: (each, each.load()) for each in named.strategies}
    components, wanted = pairs(registry, named.backbones, {ref: each for ref, (_, each) in strategies.items()})
    backbones = {each.ref: load(each) for each in components}
    datasets = _datasets(request, registry, named.datasets, tell, means)
    bare = {ref: each.dataset for ref, each in datasets.items()}
    for ref, dataset in bare.items():
        check_channels(request.corruptions, ref, dataset.channels)
    trained_at = [each.preprocessing.size for each in backbones.values() if each.weights is not None]
    sized = {ref: protocol_for(request, dataset, device, trained_at) for ref, dataset in bare.items()}
    protocols = in_one_size(sized, named.suites, request)
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
    stage = _stage(request, registry, named.sources, device, trained_at, tell, means)
    check_source_sizes(fitted, stage)
    starts = starts_of(list(backbones), wanted, {ref: each for ref, (_, each) in strategies.items()}, named.sources)
    by_ref = {each.ref: each for each in components}
    unfit |= unsourced(starts, stage, by_ref, bare, models)
    models |= dict(sourced_models(starts, stage, models, request.normalisation == "weights"))
    of_starts = {start.name: list(start.strategies) for start in starts}
    tasks = {ref: each.task_component.ref for ref, each in datasets.items()}
    unserved = unserved_tasks({ref: each for ref, (_, each) in strategies.items()}, wanted, tasks)
    return Looked(
        backbones=by_ref,
        strategies=strategies,
        datasets=datasets,
        protocols=protocols,
        fitted=fitted,
        weights=weights,
        models=models,
        others=others,
        other_data=other_data,
        starts=starts,
        stage=stage,
        source_data=source_data(request, registry),
        suites=named.suites,
        unadapted=unadaptable(named.strategies, of_starts, models),
        shifts=shifts_of(registry, named.test_on, datasets, means, tell),
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


def _stage(
    request: Request,
    registry: Registry,
    sources: Sequence[Source | None],
    device: str,
    trained_at: Sequence[int],
    tell: Tell,
    means: Means,
) -> Stage:
    """How backbones are trained on the source datasets, if there are any: as on the targets, but for the epochs."""
    components = [each.component for each in sources if isinstance(each, DatasetSource)]
    if not components:
        return Stage()
    data = _datasets(request, registry, components, tell, means)
    own = request.model_copy(update={"epochs": request.source_epochs or request.epochs})
    protocols = {ref: protocol_for(own, each.dataset, device, trained_at) for ref, each in data.items()}
    component = source_strategy(request, registry)
    return Stage(data, protocols, (component, component.load()))


def _on_this_machine(component: Component[Dataset], tell: Tell) -> bool:
    """Whether a dataset's files lie here; where they don't, a word of it."""
    if component.is_here:
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
