"""All that can be found out before anything runs: device, weights, image sizes, datasets decoded.

Runs in a process of its own, which has torch; the process of the command line never imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlbench.errors import UserError
from tlbench.plan.batched import is_batched
from tlbench.plan.cell import Numerics
from tlbench.plan.cells import make_cell
from tlbench.plan.corruptions import check_bits
from tlbench.plan.datasets import Decoder, Loaded, decode_others
from tlbench.plan.found import Note, Preflight, Tell
from tlbench.plan.looked import Looked, look
from tlbench.plan.machine import choose_device, described
from tlbench.plan.named import parts_of
from tlbench.plan.pairing import Pairing
from tlbench.plan.request import Request
from tlbench.plan.shifts import decode_shifts
from tlbench.plan.source_cells import SourceCells
from tlbench.plan.starts import Start
from tlbench.plan.tasks import plans
from tlbench.plan.weights import IN_FULL, Means
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry


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
    if looked.datasets and not any(looked.starts_on(*each) for each in looked.fitted):
        raise UserError("; ".join(found.left_out))
    for text in found.left_out:
        tell(Note(f"left out: {text}"))
    for ref, (_, strategy) in looked.strategies.items():
        if request.save != "none" and strategy.not_saved:
            tell(Note(f"models of {ref} will not be saved: {strategy.not_saved}"))
    decoder = Decoder(request, means, folder, lease, tell)
    pairing = Pairing(device, looked, decoder, known, found)
    sources = SourceCells(request, pairing)
    for dataset in looked.datasets.values():
        for ref in looked.backbones:
            if starts := looked.starts_on(ref, dataset.ref):
                _add_cells(request, pairing, sources, ref, dataset, starts)
    return found


def _found(request: Request, registry: Registry, device: str, looked: Looked) -> Preflight:
    """The machine, where every component comes from, and the metrics of the tasks."""
    stage = looked.stage
    tasks = {each.task_component.ref: each for each in (*looked.datasets.values(), *stage.data.values())}
    other = [each.component for others in looked.other_data.values() for each in others.values()]
    components: list[Component[Any]] = [
        *looked.backbones.values(), *(each.component for each in looked.datasets.values()),
        *(component for component, _ in looked.strategies.values()), *(each.task_component for each in tasks.values()),
        *other, *(each.component for others in looked.shifts.values() for each in others),
        *(each.component for each in stage.data.values()), *([stage.strategy[0]] if stage.strategy else []),
        *([looked.source_data.component] if looked.source_data else []),
    ]  # fmt: skip
    distributions = [each.entry.origin.distribution for each in components]
    found = described(request, device, [*distributions, *(["kornia"] if request.corruptions else [])])
    found.provenance = {each.ref: each.entry.origin for each in components}
    found.provenance |= {name: each.entry.origin for name, each in parts_of(request, registry).items()}
    found.suites = dict(looked.suites)
    found.tasks = plans(registry, {ref: each.task for ref, each in tasks.items()})
    return found


def _add_cells(
    request: Request,
    pairing: Pairing,
    sources: SourceCells,
    ref: str,
    dataset: Loaded,
    starts: Sequence[tuple[Start, list[str]]],
) -> None:
    """The cells of a backbone on a dataset: one for each strategy and each source that it goes on from."""
    looked, found = pairing.looked, pairing.found
    backbone, model = looked.fitted[ref, dataset.ref], looked.models[ref, dataset.ref]
    protocol = looked.protocols[dataset.ref]
    interpolation = backbone.preprocessing.interpolation
    bare, tried = pairing.of(ref, backbone, dataset, protocol, "cnn" if model is None else model.family)
    check_bits(request.corruptions, dataset.ref, bare.data.levels)
    shifts = decode_shifts(
        pairing.decoder, looked.shifts[dataset.ref], dataset, bare.data, bare.protocol, interpolation
    )
    tested_on = tuple(plan for _, plan in shifts.values())
    for start, served in starts:
        source = None if start.source is None else sources.plan(start.source, dataset, bare)
        pair = replace(bare, source=source)
        for name in served:
            component, strategy = looked.strategies[name]
            data = decode_others(
                pairing.decoder, looked.other_data[name], dataset, pair.data, pair.protocol, interpolation
            )
            plans = tuple(plan for _, plan in data.values())
            cell = make_cell(request, pair, component, strategy, looked.others[name], plans, tested_on)
            found.cells.append(cell)
            found.shifted[cell.id] = {name: made for name, (made, _) in shifts.items()}
            if request.retention:
                found.source_images[cell.id] = sources.images(start.source, dataset, bare, cell)
            found.keep(cell, pair.data, {other: made for other, (made, _) in data.items()}, tried)
            if is_batched(request, cell, strategy, looked.models[start.name, dataset.ref]):
                found.batched.append(cell.id)
