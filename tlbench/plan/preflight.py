"""All that can be found out before anything runs: device, weights, image sizes, datasets decoded.

Runs in a process of its own, which has torch; the process of the command line never imports it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.channels import with_channels
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.errors import BackboneError, UserError
from tlbench.plan.cell import Numerics, OtherBackbone, Protocol, WeightsPlan
from tlbench.plan.cells import (
    Pair,
    leave_out,
    load,
    make_cell,
    other_backbones,
    pairs,
    unserved_tasks,
    without_numbers,
)
from tlbench.plan.datasets import Decoder, Loaded, decode_others, misfits, other_datasets
from tlbench.plan.defaults import protocol_for
from tlbench.plan.found import Note, Preflight, Tell
from tlbench.plan.machine import choose_device, described, note_peak
from tlbench.plan.named import resolve
from tlbench.plan.numerics import measured
from tlbench.plan.request import Request
from tlbench.plan.sizes import check_size
from tlbench.plan.sources import IN_FULL, Means, check_file, choose_weights, weights_policies
from tlbench.plan.tasks import plans, task_of
from tlbench.plan.together import trained_together
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.results.records import NumericsCandidate

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

Fitted = Mapping[tuple[str, str], Backbone]
"""By backbone and dataset, the backbone built for the dataset's channels."""


@dataclass(frozen=True)
class Looked:
    """What is known of a request's components before anything is decoded, by their qualified names.

    `wanted` has the strategies that adapt each backbone. `weights` are None where no strategy wants any, `models` where
    a backbone can't be built without numbers. `excluded` says why no cell is made of a strategy and a dataset, `unfit`
    of a backbone and a dataset.
    """

    backbones: Mapping[str, Component[Backbone]]
    strategies: Mapping[str, tuple[Component[Strategy], Strategy]]
    datasets: Mapping[str, Loaded]
    protocols: Mapping[str, Protocol]
    fitted: Fitted
    weights: Mapping[str, WeightsPlan | None]
    models: Mapping[str, TransferModel | None]
    others: Mapping[str, tuple[OtherBackbone, ...]]
    other_data: Mapping[str, dict[str, Loaded]]
    wanted: Mapping[str, list[str]]
    excluded: Mapping[tuple[str, str], str]
    unfit: Mapping[tuple[str, str], str]

    def strategies_of(self, backbone: str, dataset: str) -> list[str]:
        """The strategies that make a cell of the two."""
        if (backbone, dataset) in self.unfit:
            return []
        return [each for each in self.wanted[backbone] if (each, dataset) not in self.excluded]


def preflight(
    request: Request,
    registry: Registry,
    folder: Path,
    tell: Tell,
    known: Mapping[tuple[str, str], Numerics],
    lease: str | None = None,
    means: Means = IN_FULL,
) -> Preflight:
    """Look at everything the request needs, decode its datasets under `folder`, and lay out its cells.

    `known` has the numerics that a run which goes on has chosen, by backbone and dataset. Raises UserError where
    something is not available or does not fit.
    """
    from tlbench.engine.device import take_device

    device = choose_device(request.device)
    take_device(device)
    looked, left_out = look(request, registry, device, tell, means)
    found = _found(request, registry, device, looked)
    found.left_out = left_out
    for text in left_out:
        tell(Note(f"left out: {text}"))
    for ref, (_, strategy) in looked.strategies.items():
        if request.save != "none" and strategy.not_saved:
            tell(Note(f"models of {ref} will not be saved: {strategy.not_saved}"))
    decoder = Decoder(request, means, folder, lease, tell)
    for dataset in looked.datasets.values():
        for backbone in looked.backbones:
            if served := looked.strategies_of(backbone, dataset.ref):
                pair, tried = _pair(request, device, looked, backbone, dataset, decoder, known, found)
                _add_cells(request, looked, pair, served, decoder, tried, found)
    if looked.datasets and not found.cells:
        raise UserError("; ".join(found.left_out))
    return found


def look(request: Request, registry: Registry, device: str, tell: Tell, means: Means) -> tuple[Looked, list[str]]:
    """What is known before anything is decoded, and sentences on what no cell is made of."""
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
    weights = {
        ref: _weights(request, registry, ref, backbones, fitted, protocols, means, tell)
        if any(strategies[each][1].pretrained for each in wanted[ref])
        else None
        for ref in backbones
    }
    note = partial(_note, tell)
    others = {
        each.ref: other_backbones(request, registry, each, protocols, note, means.weights) for each in named.strategies
    }
    other_data = {each.ref: other_datasets(registry, each) for each in named.strategies}
    left_out: list[str] = []
    models: dict[str, TransferModel | None] = {}
    excluded: dict[tuple[str, str], str] = {}
    if datasets:
        models = _models(request, backbones, weights, next(iter(protocols.values())).image_size)
        left_out = leave_out(named.strategies, wanted, models)
        tasks = {ref: each.task_component.ref for ref, each in datasets.items()}
        excluded = unserved_tasks({ref: each for ref, (_, each) in strategies.items()}, wanted, tasks)
        excluded |= misfits(other_data, bare)
    looked = Looked(
        {each.ref: each for each in components}, strategies, datasets, protocols, fitted, weights, models, others,
        other_data, wanted, excluded, unfit,
    )  # fmt: skip
    return looked, [*left_out, *excluded.values(), *unfit.values()]


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
    request: Request,
    registry: Registry,
    ref: str,
    backbones: Mapping[str, Backbone],
    fitted: Fitted,
    protocols: Mapping[str, Protocol],
    means: Means,
    tell: Tell,
) -> WeightsPlan:
    """Which tensors a backbone starts from; a file of them is held to the backbone as each dataset has it."""
    policy = weights_policies(request.weights, list(backbones), registry.qualified_backbone)[ref]
    plan = choose_weights(ref, backbones[ref], policy, partial(_note, tell), means.weights)
    for dataset_ref, protocol in protocols.items():
        backbone = fitted.get((ref, dataset_ref))
        if backbone is not None and (taken := check_file(ref, backbone, plan, protocol.image_size)):
            tell(Note(f"weights of {ref}: {policy}, {', '.join(taken)}"))
    return plan


def _models(
    request: Request, backbones: Mapping[str, Backbone], weights: Mapping[str, WeightsPlan | None], image_size: int
) -> dict[str, TransferModel | None]:
    """What strategies judge each backbone by."""
    if request.normalisation != "weights":  # the published head does not know images normalised otherwise
        backbones = {ref: dataclasses.replace(each, published=None) for ref, each in backbones.items()}
    return {ref: without_numbers(each, weights[ref], image_size) for ref, each in backbones.items()}


def _found(request: Request, registry: Registry, device: str, looked: Looked) -> Preflight:
    """The machine, where every component comes from, and the metrics of the tasks."""
    tasks = {each.task_component.ref: each for each in looked.datasets.values()}
    other = [each.component for others in looked.other_data.values() for each in others.values()]
    components: list[Component[Any]] = [
        *looked.backbones.values(), *(each.component for each in looked.datasets.values()),
        *(component for component, _ in looked.strategies.values()), *(each.task_component for each in tasks.values()),
        *other,
    ]  # fmt: skip
    found = described(request, device, [each.entry.origin.distribution for each in components])
    found.provenance = {each.ref: each.entry.origin for each in components}
    found.tasks = plans(registry, {ref: each.task for ref, each in tasks.items()})
    return found


def _pair(
    request: Request,
    device: str,
    looked: Looked,
    ref: str,
    dataset: Loaded,
    decoder: Decoder,
    known: Mapping[tuple[str, str], Numerics],
    found: Preflight,
) -> tuple[Pair, list[NumericsCandidate]]:
    """A backbone on a decoded dataset, in the precision that was asked for or measured to be its fastest."""
    import torch

    from tlbench.engine.numerics import choose

    backbone, protocol = looked.fitted[ref, dataset.ref], looked.protocols[dataset.ref]
    data = decoder.prepared(dataset, protocol, backbone.preprocessing.interpolation)
    tried: list[NumericsCandidate] = []
    if protocol.auto_precision:
        numerics = known.get((ref, dataset.ref))
        if numerics is None or protocol.asked_memory_format not in (None, numerics.memory_format):
            text = f"trying number formats and memory layouts for {ref} ({dataset.ref})"
            tried = measured(
                ref, backbone, protocol, looked.weights[ref], data, dataset.component.load, dataset.task,
                torch.device(device), found.threads, partial(_note, decoder.tell, text),
            )  # fmt: skip
            numerics = choose(tried, protocol.memory_format)
        protocol = protocol.model_copy(update=numerics.model_dump())
    note_peak(found, device, protocol.precision)
    model = looked.models[ref]
    resolved = {
        "backbone": looked.backbones[ref].resolved,
        "dataset": dataset.component.resolved,
        "task": dataset.task_component.resolved,
    }
    pair = Pair(
        ref, dataset.ref, dataset.task_component.ref, device, protocol, looked.weights[ref],
        "cnn" if model is None else model.family, data, resolved,
    )  # fmt: skip
    return pair, tried


def _add_cells(
    request: Request,
    looked: Looked,
    pair: Pair,
    strategies: list[str],
    decoder: Decoder,
    tried: list[NumericsCandidate],
    found: Preflight,
) -> None:
    """The cells of a backbone on a dataset, one for each strategy."""
    interpolation = looked.fitted[pair.backbone, pair.dataset].preprocessing.interpolation
    target = looked.datasets[pair.dataset]
    for ref in strategies:
        component, strategy = looked.strategies[ref]
        data = decode_others(decoder, looked.other_data[ref], target, pair.data, pair.protocol, interpolation)
        cell = make_cell(
            request, pair, component, strategy, looked.others[ref], tuple(plan for _, plan in data.values())
        )
        found.cells.append(cell)
        found.data[cell.id] = pair.data
        found.other_data[cell.id] = {name: made for name, (made, _) in data.items()}
        found.numerics[cell.id] = tried
        if trained_together(request, cell, strategy, looked.models[pair.backbone]):
            found.together.append(cell.id)


def _note(tell: Tell, text: str) -> None:
    tell(Note(text))
