"""All that can be found out before anything runs: device, weights, image sizes, datasets decoded.

Runs in a process of its own, which has torch; the process of the command line never imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlbench.errors import UserError
from tlbench.plan.batched import is_batched
from tlbench.plan.cell import Numerics
from tlbench.plan.cells import Pair, local_sources, make_cell
from tlbench.plan.corruptions import check_bits
from tlbench.plan.datasets import Decoder, Loaded, decode_others
from tlbench.plan.found import Note, Preflight, Tell
from tlbench.plan.looked import Looked, look
from tlbench.plan.machine import choose_device, described, note_peak
from tlbench.plan.named import parts_among, parts_of
from tlbench.plan.numerics import measured
from tlbench.plan.request import Request
from tlbench.plan.shifts import decode_shifts
from tlbench.plan.sources import IN_FULL, Means
from tlbench.plan.tasks import plans
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.results.records import NumericsCandidate


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
    looked = look(request, registry, device, tell, means)
    found = _found(request, registry, device, looked)
    found.left_out = looked.reasons()
    if looked.datasets and not any(looked.strategies_of(*each) for each in looked.fitted):
        raise UserError("; ".join(found.left_out))
    for text in found.left_out:
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
    return found


def _found(request: Request, registry: Registry, device: str, looked: Looked) -> Preflight:
    """The machine, where every component comes from, and the metrics of the tasks."""
    tasks = {each.task_component.ref: each for each in looked.datasets.values()}
    other = [each.component for others in looked.other_data.values() for each in others.values()]
    components: list[Component[Any]] = [
        *looked.backbones.values(), *(each.component for each in looked.datasets.values()),
        *(component for component, _ in looked.strategies.values()), *(each.task_component for each in tasks.values()),
        *other, *(each.component for others in looked.shifts.values() for each in others),
    ]  # fmt: skip
    distributions = [each.entry.origin.distribution for each in components]
    found = described(request, device, [*distributions, *(["kornia"] if request.corruptions else [])])
    found.provenance = {each.ref: each.entry.origin for each in components}
    found.provenance |= {name: each.entry.origin for name, each in parts_of(request, registry).items()}
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
    check_bits(request.corruptions, dataset.ref, data.levels)
    tried: list[NumericsCandidate] = []
    if protocol.auto_precision:
        numerics = known.get((ref, dataset.ref))
        if numerics is None or protocol.asked_memory_format not in (None, numerics.memory_format):
            text = f"trying number formats and memory layouts for {ref} ({dataset.ref})"
            tried = measured(
                ref, backbone, protocol, looked.weights[ref], data, dataset.component.load, dataset.task,
                torch.device(device), found.threads, lambda: decoder.tell(Note(text)),
            )  # fmt: skip
            numerics = choose(tried, protocol.memory_format)
        protocol = protocol.model_copy(update=numerics.model_dump())
    note_peak(found, device, protocol.precision)
    model = looked.models[ref, dataset.ref]
    resolved = {
        "backbone": looked.backbones[ref].resolved,
        "dataset": dataset.component.resolved,
        "task": dataset.task_component.resolved,
    }
    parts = {name: each.source_digest or "" for name, each in parts_among(found.provenance).items() if each.local}
    pair = Pair(
        ref, dataset.ref, dataset.task_component.ref, device, protocol, looked.weights[ref],
        "cnn" if model is None else model.family, data, resolved,
        local_sources(looked.backbones[ref], dataset.component, dataset.task_component) | parts,
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
    shifts = decode_shifts(decoder, looked.shifts[target.ref], target, pair.data, pair.protocol, interpolation)
    for ref in strategies:
        component, strategy = looked.strategies[ref]
        data = decode_others(decoder, looked.other_data[ref], target, pair.data, pair.protocol, interpolation)
        cell = make_cell(
            request, pair, component, strategy, looked.others[ref], tuple(plan for _, plan in data.values()),
            tuple(plan for _, plan in shifts.values()),
        )  # fmt: skip
        found.cells.append(cell)
        found.data[cell.id] = pair.data
        found.other_data[cell.id] = {name: made for name, (made, _) in data.items()}
        found.shifted[cell.id] = {ref: made for ref, (made, _) in shifts.items()}
        found.numerics[cell.id] = tried
        if is_batched(request, cell, strategy, looked.models[pair.backbone, pair.dataset]):
            found.batched.append(cell.id)
