"""One trial, from nothing to its record."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tlbench.contracts import Backbone, Rewrite, Strategy, Train
from tlbench.data.batches import TrialData
from tlbench.engine.evaluate import Predictions, evaluation_batch, predict
from tlbench.engine.loop import Setting, train
from tlbench.engine.metrics import metrics
from tlbench.engine.model import TransferModel
from tlbench.engine.probe import probe_step
from tlbench.engine.seeds import Seeds
from tlbench.engine.selection import Selection
from tlbench.engine.weights import digest, load_body, read_checkpoint
from tlbench.errors import Diverged, PhaseError
from tlbench.events import Event, Report, StepDone
from tlbench.jobs import TrialJob, data_record, failure, trial_key, weights_record
from tlbench.measure.environment import at_start
from tlbench.measure.meters import Meters, PhaseMeasured
from tlbench.plan import Cell
from tlbench.records import EpochRecord, ErrorRecord, Record
from tlbench.registry import Component, Registry


@dataclass
class Progress:
    """How far a trial is: for the record of one that fails, and for the figures of one that doesn't."""

    phase: int | None = None
    step: int | None = None
    weights_digest: str | None = None
    train_loss: float | None = None
    trained: set[str] = field(default_factory=set)
    history: list[EpochRecord] = field(default_factory=list)
    environment: dict[str, Any] | None = None

    def follow(self, report: Report) -> Report:
        """Note each step before it is reported."""

        def follow(event: Event) -> None:
            if isinstance(event, StepDone):
                self.step = event.step
            report(event)

        return follow


def run_trial(job: TrialJob, registry: Registry, report: Report) -> Record:
    """Carry a trial out and give its record; whatever goes wrong inside becomes the record's status."""
    started = datetime.now(UTC)
    progress = Progress()
    try:
        return _carry_out(job, registry, report, progress, started)
    except Exception as error:
        step = error.step if isinstance(error, Diverged) and error.step is not None else progress.step
        problem = ErrorRecord(
            type=type(error).__name__,
            message=str(error) or type(error).__name__,
            phase=progress.phase,
            step=step,
            traceback=traceback.format_exc(),
        )
        status = "out-of-memory" if out_of_memory(error) else "diverged" if isinstance(error, Diverged) else "failed"
        return failure(job, status, problem, started, progress.weights_digest, progress.environment)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Stand:
    """A trial made ready: its model, its splits, how it trains, and the strategy that will say what to do."""

    model: TransferModel
    data: TrialData
    setting: Setting
    seeds: Seeds
    strategy: Component[Strategy]
    meters: Meters
    progress: Progress


def make_ready(
    job: TrialJob, registry: Registry, report: Report, progress: Progress, most_steps: int | None = None
) -> Stand:
    """Set the process up, build the model, open train and val."""
    cell, device = job.trial.cell, torch.device(job.trial.cell.device)
    set_up_torch(job)
    meters = Meters(device)
    progress.environment = {**job.machine.model_dump(), **at_start(device).model_dump()}
    seeds = Seeds(job.trial.seed, cell.protocol.vary)
    backbone = registry.backbones.resolve(cell.backbone).load()
    model = load_model(backbone, cell, len(job.data.classes), seeds, device)
    progress.weights_digest = digest(model.module, backbone.head_paths)
    data = TrialData(job.data, backbone.preprocessing, device)
    setting = Setting(
        images=data.train,
        protocol=cell.protocol,
        learning_rate=cell.learning_rate,
        order=seeds.generator("order"),
        device=device,
        report=progress.follow(report),
        detail=job.detail,
        most_steps=most_steps,
    )
    return Stand(model, data, setting, seeds, registry.strategies.resolve(cell.strategy), meters, progress)


def rehearse_trial(job: TrialJob, registry: Registry, steps: int) -> None:
    """Try some steps of each phase and one batch of predictions; raises what a trial would fail of."""
    stand = make_ready(job, registry, lambda _event: None, Progress(), steps)
    adapt(stand)
    first = torch.arange(min(evaluation_batch(stand.setting.protocol), len(stand.data.train)))
    with torch.inference_mode():
        stand.model.module.eval()(stand.data.train.batch(first).images)


def _carry_out(job: TrialJob, registry: Registry, report: Report, progress: Progress, started: datetime) -> Record:
    stand = make_ready(job, registry, report, progress)
    model, data, meters, setting = stand.model, stand.data, stand.meters, stand.setting
    adapt(stand)

    meters.stages.enter("evaluate")
    val = predict(model.module, data.val, setting.protocol, setting.device)
    data.last_choice_made()
    test = predict(model.module, data.open_test(), setting.protocol, setting.device)
    scored = metrics(test, val.accuracy, progress.train_loss)
    meters.stages.enter("save")
    save_predictions(test, job.predictions)
    return Record(
        trial=trial_key(job.trial),
        status="ok",
        started=started,
        weights=weights_record(job.trial.cell, progress.weights_digest),
        data=data_record(job.data),
        metrics=scored,
        history=progress.history,
        cost=meters.cost(model.module, progress.trained.__contains__, job.concurrent_trials, job.peak_flops_per_second),
        environment=progress.environment,
        provenance=job.provenance,
        predictions=job.predictions.name,
    )


def adapt(stand: Stand) -> None:
    """Ask the strategy for its phases, and carry each out."""
    progress, strategy = stand.progress, stand.strategy
    stand.meters.stages.enter("train")
    stand.meters.energy.start()
    torch.manual_seed(stand.seeds.of("augmentation"))
    for number, phase in enumerate(strategy.load().phases(stand.model, strategy.options)):
        progress.phase, progress.step = number, None
        if isinstance(phase, Train):
            _train(stand, phase, number)
        elif isinstance(phase, Rewrite):
            phase.apply(stand.model)
        else:
            raise PhaseError(f"strategy {strategy.ref} yielded {phase!r}, which is not a phase")
    progress.phase, progress.step = None, None


def _train(stand: Stand, phase: Train, number: int) -> None:
    model, data, setting, meters, progress = stand.model, stand.data, stand.setting, stand.meters, stand.progress
    with meters.stages.within("measure"):
        batch = data.train.batch(torch.arange(min(setting.protocol.batch_size, len(data.train))))
        probe = probe_step(model, phase, batch, setting.device, setting.protocol.precision)
        del batch
    selection = Selection(model, number, data.val, setting.protocol, setting.device, meters.stages)

    def after_epoch(epoch: int, loss: float) -> bool:
        meters.energy.sample()
        return selection.after_epoch(epoch, loss)

    trained = train(model, phase, number, setting, after_epoch)
    progress.history += selection.end()
    progress.train_loss = trained.loss
    parameters = dict(model.parameters(phase.part))
    progress.trained |= set(parameters)
    meters.add(
        PhaseMeasured(
            phase=number,
            steps=trained.steps,
            trainable_parameters=sum(parameter.numel() for parameter in parameters.values()),
            optimizer_bytes=trained.optimizer_bytes,
            gradient_bytes=probe.gradient_bytes,
            activation_bytes=probe.activation_bytes,
            forward_flops_per_image=probe.forward_flops_per_image,
            train_flops_per_image=probe.train_flops_per_image,
        )
    )


def set_up_torch(job: TrialJob) -> None:
    """Threads and determinism, for the whole process of the trial."""
    if job.threads:
        torch.set_num_threads(job.threads)
    deterministic = job.trial.cell.protocol.deterministic
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


def load_model(backbone: Backbone, cell: Cell, num_classes: int, seeds: Seeds, device: torch.device) -> TransferModel:
    """The cell's model on its device, with the weights that the plan says and a new head of a seed of its own."""
    torch.manual_seed(seeds.of("initialisation"))
    pretrained = cell.weights.kind == "pretrained"
    module = backbone.build(num_classes, image_size=cell.protocol.image_size, pretrained=pretrained)
    model = TransferModel(module, backbone)
    torch.manual_seed(seeds.of("initialisation", " of the head"))
    model.reset_head()
    if cell.weights.kind == "file" and cell.weights.url is not None:
        load_body(module, read_checkpoint(Path(cell.weights.url)), backbone.head_paths, cell.weights.url)
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Keep per-example predictions as safetensors, complete or not at all."""
    temporary = path.with_suffix(".tmp")
    save_file(predictions.tensors(), temporary)
    temporary.replace(path)


def out_of_memory(error: Exception) -> bool:
    """Whether an allocator had no more to give; the CPU's raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
