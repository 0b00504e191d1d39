"""A trial made ready: the process set up, components resolved, the model built, the splits opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from tlbench.cache import StageCache
from tlbench.contracts.backbone import Backbone, Preprocessing
from tlbench.contracts.channels import with_channels
from tlbench.contracts.model import TransferModel, no_other, no_other_dataset
from tlbench.contracts.task import LossOptions
from tlbench.contracts.train_data import OtherDataset
from tlbench.data.augment import Augment, named_changes
from tlbench.data.batches import TrialData, open_split
from tlbench.data.normalise import normalised
from tlbench.data.prepare import at_hand
from tlbench.engine.compilation import keep_compilations
from tlbench.engine.context import Context, OtherImages, Progress
from tlbench.engine.device import take_device
from tlbench.engine.distance import Start
from tlbench.engine.features import FeatureInputs
from tlbench.engine.precision import FORMATS
from tlbench.engine.renormalise import renormalising
from tlbench.engine.seeds import Seeds, Stream, seed_others
from tlbench.engine.setting import Setting
from tlbench.engine.warm import warm_up
from tlbench.engine.weights import conversion, digest, load_file_into, not_finite
from tlbench.errors import UserError
from tlbench.events import Report
from tlbench.measure.environment import at_start
from tlbench.measure.meters import Meters
from tlbench.plan.cell import Cell, WeightsPlan
from tlbench.plan.named import parts_of
from tlbench.registry.kinds import Registry
from tlbench.saved.backbone import saved_backbone
from tlbench.trial.jobs import TrialJob


def make_ready(
    job: TrialJob, registry: Registry, report: Report, progress: Progress, most_steps: int | None = None
) -> Context:
    """Set the process up, build the model, open train and val."""
    cell = job.trial.cell
    device = take_device(cell.device, job.gpu)
    set_up_torch(job)
    meters = Meters(device)
    progress.environment = {**job.machine.model_dump(), **at_start(device).model_dump()}
    seeds = Seeds(job.trial.seed, cell.protocol.vary)
    own, starts_from = _start(job, registry, most_steps)
    backbone = normalised(with_channels(own, job.data.channels), cell.protocol.normalisation, job.data)
    task, names = registry.tasks.resolve(cell.task).load(), job.data.classes
    outputs = task.outputs(names)

    others = other_images(job, registry, backbone.preprocessing, device)

    def build() -> TransferModel:
        model = load_model(backbone, starts_from, outputs, seeds, device)
        model.another = partial(another, backbone, cell, outputs, seeds, registry)
        model.dataset = partial(_described, others)
        model.classes, model.task = names, cell.task
        model.moment, model.phase_steps = progress.moment, progress.phase_steps
        model.generator.manual_seed(seeds.of("augmentation", " of the strategy"))
        return model

    seed_others(seeds.of("augmentation", " of Python and NumPy"))
    model = build()
    progress.weights_digest = digest(model.module, backbone.head_paths)
    protocol = cell.protocol
    load_dataset = registry.datasets.resolve(cell.dataset).load
    data = TrialData(
        at_hand(job.data, load_dataset, task, lambda: StageCache(lease=job.lease)),
        backbone.preprocessing,
        device,
        FORMATS[protocol.memory_format],
        load_dataset,
    )
    parts = {name: component.load() for name, component in parts_of(protocol, registry).items()}
    if protocol.augment:
        seed = seeds.of("augmentation", " of the images")
        added = {name.partition(" ")[2]: each for name, each in parts.items() if name.startswith("augmentation ")}
        change = named_changes(protocol.augment, protocol.image_size, added)
        data.train = data.train.augmented(Augment(change, seed))
    statistics = task.statistics(names, data.train.labels.numpy())
    loss_options = LossOptions(protocol.label_smoothing, protocol.class_weights)
    setting = Setting(
        protocol=cell.protocol,
        learning_rate=cell.tuned_rates[0] if cell.tuned_rates else cell.learning_rate,
        order=seeds.generator("order"),
        device=device,
        report=progress.follow(report),
        detail=job.detail,
        most_steps=most_steps,
        objective=task.objective(names, statistics, loss_options),
        primary=task.primary_metric,
        make_optimizer=parts.get("optimizer"),
        schedule=parts.get("schedule"),
        between_steps=meters.pace.between_steps,
    )
    feature_inputs = partial(
        FeatureInputs, dataset_digest=job.data.digest, preprocessing=backbone.preprocessing, protocol=cell.protocol,
        device=device, memory=meters.memory,
    )  # fmt: skip
    strategy = registry.strategies.resolve(cell.strategy)
    cache = StageCache(lease=job.lease) if job.features == "cache" and most_steps is None else None
    with meters.spans.within("measure"):
        if device.type != "cpu":
            with meters.memory.aside():
                warm_up(model.module, data.train, protocol, device)
        start = Start(model.parameters(model.body))
    pretrained = starts_from.weights.kind != "random"
    return Context(
        model, build, data, setting, seeds, strategy, statistics, task.strata,
        tuple(registry.metrics_of(cell.task)), feature_inputs, cache, start, pretrained, meters, progress, others,
    )  # fmt: skip


def _start(job: TrialJob, registry: Registry, most_steps: int | None) -> tuple[Backbone, Cell]:
    """The backbone, and the cell with the weights that it is built with: a source model's where there is one.

    Steps that are only tried begin without one: they take as long, and it may not be trained yet.
    """
    cell = job.trial.cell
    if job.source is None:
        if cell.source_model is not None and most_steps is None:
            raise UserError(f"the source model {cell.source_model.name} was not given to the trial")
        return registry.backbones.resolve(cell.backbone).load(), cell
    found: Backbone = saved_backbone(job.source.folder)
    assert found.weights is not None
    return found, cell.model_copy(update={"weights": WeightsPlan(kind="pretrained", name=found.weights.name)})


def other_images(
    job: TrialJob, registry: Registry, preprocessing: Preprocessing, device: torch.device
) -> dict[str, OtherImages]:
    """The training images of the other datasets that a strategy trains on, normalised as the target's are."""
    memory_format, found = FORMATS[job.trial.cell.protocol.memory_format], {}
    for (name, data), plan in zip(job.other_data.items(), job.trial.cell.other_datasets, strict=True):
        load, task = registry.datasets.resolve(plan.dataset).load, registry.tasks.resolve(plan.task).load()
        prepared = at_hand(data, load, task, lambda: StageCache(lease=job.lease))
        images = open_split(
            prepared, "train", preprocessing=preprocessing, device=device, memory_format=memory_format, source=load
        )
        objective = task.objective(data.classes, task.statistics(data.classes, images.labels.numpy()))
        found[name] = OtherImages(images, OtherDataset(data.classes, objective, len(images)))
    return found


def _described(others: Mapping[str, OtherImages], name: str) -> OtherDataset:
    return others[name].described if name in others else no_other_dataset(name)


def set_up_torch(job: TrialJob) -> None:
    """Threads, determinism, and where compilations are kept, for the whole process of the trial."""
    keep_compilations()
    if job.threads:
        torch.set_num_threads(job.threads)
    deterministic = job.trial.cell.protocol.deterministic
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(deterministic)


def draw_head(model: TransferModel, seeds: Seeds, device: torch.device) -> None:
    """Give a model a new head, of a seed of its own."""
    with Stream(seeds.of("initialisation", " of the head"), device).drawing():
        model.reset_head()


def load_model(backbone: Backbone, cell: Cell, outputs: int, seeds: Seeds, device: torch.device) -> TransferModel:
    """The cell's model on its device, with the weights that the plan says and a new head of a seed of its own."""
    pretrained = cell.weights.kind == "pretrained"
    with Stream(seeds.of("initialisation"), device).drawing():
        module = backbone.build(outputs, image_size=cell.protocol.image_size, pretrained=pretrained)
    model = TransferModel(module, backbone)
    model.optimizer = cell.protocol.optimizer
    draw_head(model, seeds, device)
    if cell.weights.kind == "file" and cell.weights.url is not None:
        convert = conversion(backbone, cell.protocol.image_size)
        load_file_into(module, Path(cell.weights.url), backbone.head_paths, convert)
    elif odd := not_finite(module):
        raise UserError(f"the weights {cell.weights.name} have values that are infinite or not a number: {odd[0]}")
    module.to(device, memory_format=FORMATS[cell.protocol.memory_format])  # type: ignore[call-overload]
    if pretrained and backbone.published is not None:
        model.published = partial(_published, backbone.published, cell, device)
    return model


def another(student: Backbone, cell: Cell, outputs: int, seeds: Seeds, registry: Registry, name: str) -> TransferModel:
    """One of the cell's other backbones, ready for images that are normalised for the student."""
    component = registry.backbones.resolve(name)
    weights = next((each.weights for each in cell.others if each.backbone == component.ref), None)
    if weights is None:
        return no_other(name)
    own = with_channels(component.load(), len(student.preprocessing.mean))
    renormalised = renormalising(own, student.preprocessing)
    return load_model(
        renormalised, cell.model_copy(update={"weights": weights}), outputs, seeds, torch.device(cell.device)
    )


def _published(build: Callable[[int], nn.Module], cell: Cell, device: torch.device) -> nn.Module:
    """The source model whole, frozen and in eval mode; it leaves the state of chance as it was."""
    with torch.random.fork_rng(devices=[]):
        module = build(cell.protocol.image_size).requires_grad_(False).eval()
    moved: nn.Module = module.to(device, memory_format=FORMATS[cell.protocol.memory_format])  # type: ignore[call-overload]
    return moved
