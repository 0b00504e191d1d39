"""All that can be found out before anything runs: device, weights, image sizes, datasets decoded.

Runs in a process of its own, which has torch; the process of the command line never imports it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from tlbench.cache import StageCache
from tlbench.contracts.backbone import Backbone, Family, Interpolation
from tlbench.contracts.channels import with_channels
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.options import SplitOptions
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.task import Task
from tlbench.data.prepare import Limits, PreparedDataset, Wanted, prepare, prepare_cached
from tlbench.data.sample import prepare_sample
from tlbench.errors import BackboneError, UserError
from tlbench.measure.machine import Machine
from tlbench.plan.cell import Cell, Numerics, Protocol, WeightsPlan
from tlbench.plan.cells import (
    leave_out,
    load,
    make_cell,
    other_backbones,
    pairs,
    unserved_tasks,
    without_numbers,
)
from tlbench.plan.choices import Precision
from tlbench.plan.defaults import protocol_for
from tlbench.plan.numerics import measured
from tlbench.plan.plan import TaskPlan
from tlbench.plan.request import Request
from tlbench.plan.sizes import check_size
from tlbench.plan.sources import IN_FULL, Means, check_file, choose_weights, weights_policies
from tlbench.plan.summary import summary
from tlbench.plan.tasks import plans, task_of
from tlbench.plan.together import trained_together
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.registry.provenance import Provenance
from tlbench.results.records import NumericsCandidate
from tlbench.trial.jobs import threads_each

T = TypeVar("T")


@dataclass(frozen=True)
class Preparing:
    """Progress of a dataset's decoding."""

    dataset: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """A sentence about what preflight is doing."""

    text: str


Tell = Callable[[Preparing | Note], object]


@dataclass
class Preflight:
    """What was found: the machine, the cells, and for each the prepared dataset that its trials read.

    `left_out` says which strategies can't adapt which backbones or tasks; `tasks` has the metrics of each task,
    `together` the cells whose heads are trained together. `threads` are those that `peak_flops_per_second`, by
    precision, was measured with; `numerics` has what was measured to choose a cell's precision.
    """

    machine: Machine
    threads: int
    peak_flops_per_second: dict[Precision, float] = field(default_factory=dict)
    numerics: dict[str, list[NumericsCandidate]] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    data: dict[str, PreparedDataset] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    together: list[str] = field(default_factory=list)

    def with_protocol(self, changes: Mapping[str, object]) -> Preflight:
        """The same with something else in every cell's protocol."""
        cells, data, numerics, together = [], {}, {}, []
        for cell in self.cells:
            changed = cell.model_copy(update={"protocol": cell.protocol.model_copy(update=changes)})
            cells.append(changed)
            data[changed.id] = self.data[cell.id]
            numerics[changed.id] = self.numerics[cell.id]
            together += [changed.id] if cell.id in self.together else []
        return dataclasses.replace(self, cells=cells, data=data, numerics=numerics, together=together)


def resolve(
    request: Request, registry: Registry
) -> tuple[list[Component[Backbone]], list[Component[Dataset]], list[Component[Strategy]]]:
    """The request's components; raises UserError on the first that is unknown or has bad options.

    Imports no torch: this is the part of preflight that the command line does itself, before anything else.
    """
    backbones = _distinct([registry.backbones.resolve(spec) for spec in request.backbones])
    datasets = _distinct([_dataset(registry, spec) for spec in request.datasets])
    strategies = _distinct([registry.strategies.resolve(spec) for spec in request.strategies])
    components: list[Component[Any]] = [*backbones, *datasets, *strategies]
    for component in components:
        component.check()
    registry.executors.resolve(request.executor).check()
    if request.augment and find_spec("kornia") is None:
        raise UserError("--augment needs kornia: pip install 'tlbench[augment]'")
    weights_policies(request.weights, [each.ref for each in backbones], registry.qualified_backbone)
    return backbones, datasets, strategies


def _dataset(registry: Registry, spec: str) -> Component[Dataset]:
    """The dataset of a name; where it is a folder's or file's, the error says how to name that."""
    try:
        return registry.datasets.resolve(spec)
    except UserError as error:
        if not Path(spec).expanduser().exists():
            raise
        remedy = f"for the images in {spec}, say folder:{spec}"
        if Path(spec).suffix.lower() in (".csv", ".tsv"):
            remedy = f"for the images that {spec} names, say csv:{spec}"
        raise UserError(f"{error}; {remedy}") from None


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
    import torch

    from tlbench.engine.device import take_device
    from tlbench.engine.numerics import choose

    backbone_components, dataset_components, strategy_components = resolve(request, registry)
    device = choose_device(request.device)
    take_device(device)
    strategies = {each.ref: each.load() for each in strategy_components}
    backbone_components, wanted = pairs(registry, backbone_components, strategies)
    backbones = {each.ref: load(each) for each in backbone_components}
    if means.most_images is not None:
        dataset_components = [each for each in dataset_components if _on_this_machine(each, tell)]
    datasets = {each.ref: load(each) for each in dataset_components}
    tasks = {ref: task_of(registry, ref, dataset, request) for ref, dataset in datasets.items()}
    trained_at = [each.preprocessing.size for each in backbones.values() if each.weights is not None]
    protocols = {ref: protocol_for(request, dataset, device, trained_at) for ref, dataset in datasets.items()}
    fitted, unfit = _fitted(backbones, datasets)
    for (ref, dataset_ref), backbone in fitted.items():
        check_size(ref, backbone, dataset_ref, protocols[dataset_ref].image_size)
    policies = weights_policies(request.weights, list(backbones), registry.qualified_backbone)
    weights: dict[str, WeightsPlan | None] = {}
    for ref, backbone in backbones.items():
        wants_weights = any(strategies[each].pretrained for each in wanted[ref])
        plan = (
            choose_weights(ref, backbone, policies[ref], partial(_note, tell), means.weights) if wants_weights else None
        )
        weights[ref] = plan
        for dataset_ref, protocol in protocols.items():
            of_dataset = fitted.get((ref, dataset_ref))
            if plan is None or of_dataset is None:
                continue
            if taken := check_file(ref, of_dataset, plan, protocol.image_size):
                tell(Note(f"weights of {ref}: {policies[ref]}, {', '.join(taken)}"))
    others = {
        each.ref: other_backbones(request, registry, each, protocols, partial(_note, tell), means.weights)
        for each in strategy_components
    }
    components: list[Component[Any]] = [
        *backbone_components, *dataset_components, *strategy_components, *(each for each, _ in tasks.values()),
    ]  # fmt: skip
    found = _measured(request, device, [component.entry.origin.distribution for component in components])
    for component in components:
        found.provenance[component.ref] = component.entry.origin
    resolved = {(component.entry.kind, component.ref): component.resolved for component in components}
    found.tasks = plans(registry, {component.ref: task for component, task in tasks.values()})
    if not protocols:
        return found
    image_size = next(iter(protocols.values())).image_size
    usual = request.normalisation == "weights"
    models = {
        ref: without_numbers(
            backbone if usual else dataclasses.replace(backbone, published=None), weights[ref], image_size
        )
        for ref, backbone in backbones.items()
    }
    found.left_out = leave_out(strategy_components, wanted, models)
    unserved = unserved_tasks(strategies, wanted, {ref: component.ref for ref, (component, _) in tasks.items()})
    found.left_out += [*unserved.values(), *unfit.values()]
    for text in found.left_out:
        tell(Note(f"left out: {text}"))
    for ref, strategy in strategies.items():
        if request.save != "none" and strategy.not_saved:
            tell(Note(f"models of {ref} will not be saved: {strategy.not_saved}"))
    prepared: dict[tuple[str, str], PreparedDataset] = {}
    for dataset_component in dataset_components:
        dataset_ref = dataset_component.ref
        protocol = protocols[dataset_ref]
        task_component, task = tasks[dataset_ref]
        for backbone_ref in backbones:
            served = [each for each in wanted[backbone_ref] if (each, dataset_ref) not in unserved]
            if not served or (backbone_ref, dataset_ref) in unfit:
                continue
            backbone = fitted[backbone_ref, dataset_ref]
            interpolation = backbone.preprocessing.interpolation
            key = (dataset_ref, interpolation)
            if key not in prepared:
                prepared[key] = _prepared(
                    request,
                    means,
                    lease,
                    dataset_component,
                    datasets[dataset_ref],
                    task_component.ref,
                    task,
                    protocol,
                    interpolation,
                    folder / str(len(prepared)),
                    lambda done, total, ref=dataset_ref: tell(Preparing(ref, done, total)),  # type: ignore[misc]
                )
                first = all(ref != dataset_ref for ref, _ in list(prepared)[:-1])
                said = summary(dataset_component, datasets[dataset_ref], prepared[key], request, protocol)
                for text in said if first else ():
                    tell(Note(text))
            own, tried = protocol, []
            if protocol.auto_precision:
                numerics = known.get((backbone_ref, dataset_ref))
                if numerics is None or protocol.asked_memory_format not in (None, numerics.memory_format):
                    text = f"trying number formats and memory layouts for {backbone_ref} ({dataset_ref})"
                    tried = measured(
                        backbone_ref, backbone, protocol, weights[backbone_ref], prepared[key],
                        dataset_component.load, task, torch.device(device), found.threads, partial(tell, Note(text)),
                    )  # fmt: skip
                    numerics = choose(tried, protocol.memory_format)
                own = protocol.model_copy(update=numerics.model_dump())
            _note_peak(found, device, own.precision)
            model = models[backbone_ref]
            family: Family = "cnn" if model is None else model.family
            for strategy_ref in served:
                cell = make_cell(
                    request, backbone_ref, dataset_ref, strategy_ref, strategies[strategy_ref], task_component.ref,
                    device, own,
                    weights[backbone_ref], family, others[strategy_ref], prepared[key],
                    {
                        kind: resolved[kind, ref]
                        for kind, ref in (
                            ("backbone", backbone_ref), ("dataset", dataset_ref), ("strategy", strategy_ref),
                            ("task", task_component.ref),
                        )
                    },
                )  # fmt: skip
                found.cells.append(cell)
                found.data[cell.id] = prepared[key]
                found.numerics[cell.id] = tried
                if trained_together(request, cell, strategies[strategy_ref], model):
                    found.together.append(cell.id)
    if not found.cells:
        raise UserError("; ".join(found.left_out))
    return found


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


def _note(tell: Tell, text: str) -> None:
    tell(Note(text))


def _on_this_machine(component: Component[Dataset], tell: Tell) -> bool:
    """Whether a dataset's files lie here; where they don't, a word of it."""
    if component.entry.present is None or component.entry.present(component.options):
        return True
    tell(Note(f"to be downloaded: dataset {component.ref}; its trials are not counted below"))
    return False


def _prepared(
    request: Request,
    means: Means,
    lease: str | None,
    component: Component[Dataset],
    dataset: Dataset,
    task_ref: str,
    task: Task,
    protocol: Protocol,
    interpolation: Interpolation,
    folder: Path,
    progress: Callable[[int, int], object],
) -> PreparedDataset:
    """The dataset decoded: from the cache where it states what it is, else under the run's own folder."""
    options = component.options if isinstance(component.options, SplitOptions) else SplitOptions()
    limits = Limits(protocol.train_size, protocol.test_size)
    wanted = Wanted(
        component.ref, task_ref, options, limits, protocol.image_size, interpolation,
        request.drop_duplicates, request.skip_unreadable,
    )  # fmt: skip
    if means.most_images is not None:
        return prepare_sample(wanted, dataset, task, means.most_images, folder, progress)
    if dataset.fingerprint is None:
        return prepare(wanted, dataset, task, folder, progress)
    return prepare_cached(wanted, dataset, task, StageCache(lease=lease), progress)


def _measured(request: Request, device: str, distributions: list[str]) -> Preflight:
    """What is to be said of the machine."""
    import torch

    from tlbench.measure.environment import machine

    known_jobs = 1 if request.jobs == "auto" else request.jobs
    return Preflight(machine(torch.device(device), distributions), threads_each(known_jobs) or torch.get_num_threads())


def _note_peak(found: Preflight, device: str, precision: Precision) -> None:
    """Measure, once for each precision, what the machine's matrix products reach while nothing else runs."""
    import torch

    from tlbench.engine.precision import DTYPES
    from tlbench.measure.peak import peak_flops

    if precision not in found.peak_flops_per_second:
        peak = peak_flops(torch.device(device), DTYPES[precision], found.threads)
        found.peak_flops_per_second[precision] = peak


def _distinct(components: list[Component[T]]) -> list[Component[T]]:
    return list({component.ref: component for component in components}.values())


def choose_device(wanted: str) -> str:
    """The device that was asked for, `auto` being the best there is; raises UserError where it is not available."""
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    available: Mapping[str, bool] = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[kind]:
        raise UserError(f"device {wanted!r} is not available; --device auto takes what is, --device cpu always works")
    return wanted
