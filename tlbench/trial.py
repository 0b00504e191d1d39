"""One trial, from nothing to its record."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import save_file

from tlbench.contracts import Backbone, Rewrite, Train
from tlbench.data.batches import TrialData
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.loop import train
from tlbench.engine.model import TransferModel
from tlbench.engine.seeds import derived_seed, generator
from tlbench.engine.weights import digest, load_body, read_checkpoint
from tlbench.errors import Diverged, PhaseError
from tlbench.events import Event, Report, StepDone
from tlbench.jobs import TrialJob, data_record, failure, trial_key, weights_record
from tlbench.measure.environment import environment
from tlbench.measure.memory import PeakMemory
from tlbench.measure.timing import StepLog
from tlbench.plan import Cell
from tlbench.records import Cost, ErrorRecord, Metrics, Record, Status, StepMs
from tlbench.registry import Registry


@dataclass
class Progress:
    """Where a trial is, for the record of one that fails."""

    phase: int | None = None
    step: int | None = None
    weights_digest: str | None = None


@dataclass
class Stages:
    """Seconds of each stage, filled in as they end."""

    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, begun: float) -> None:
        """Add the time since `begun` to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


def run_trial(job: TrialJob, registry: Registry, report: Report) -> Record:
    """Carry a trial out and give its record; whatever goes wrong inside becomes the record's status."""
    started = datetime.now(UTC)
    progress = Progress()
    try:
        return _carry_out(job, registry, report, progress, started)
    except Exception as error:
        step = error.step if isinstance(error, Diverged) else progress.step
        problem = ErrorRecord(
            type=type(error).__name__,
            message=str(error) or type(error).__name__,
            phase=progress.phase,
            step=step,
            traceback=traceback.format_exc(),
        )
        return failure(job, _status(error), problem, started, progress.weights_digest)


def _carry_out(job: TrialJob, registry: Registry, report: Report, progress: Progress, started: datetime) -> Record:
    trial, cell, protocol = job.trial, job.trial.cell, job.trial.cell.protocol
    begun = time.perf_counter()
    if job.threads:
        torch.set_num_threads(job.threads)
    device = torch.device(cell.device)
    memory = PeakMemory(device)
    stages = Stages()

    torch.manual_seed(derived_seed(trial.seed, "initialisation"))
    backbone = registry.backbones.resolve(cell.backbone).load()
    model = load_model(backbone, cell, len(job.data.classes), derived_seed(trial.seed, "head"), device)
    progress.weights_digest = digest(model.module, _heads(backbone))
    data = TrialData(job.data, backbone.preprocessing, device)
    stages.run("load", begun)

    log = StepLog()
    order = generator(trial.seed, "order")
    component = registry.strategies.resolve(cell.strategy)
    train_loss = None
    trained: set[str] = set()
    begun_training = time.perf_counter()
    torch.manual_seed(derived_seed(trial.seed, "training"))
    for number, phase in enumerate(component.load().phases(model, component.options)):
        progress.phase, progress.step = number, None
        if isinstance(phase, Train):
            trained |= {name for name, _ in model.parameters(phase.part)}
            follow = _follow(progress, report)
            train_loss = train(model, phase, data.train, protocol, cell.learning_rate, order, device, log, follow)
        elif isinstance(phase, Rewrite):
            phase.apply(model)
        else:
            raise PhaseError(f"strategy {cell.strategy} yielded {phase!r}, which is not a phase")
    stages.run("train", begun_training)
    progress.phase, progress.step = None, None

    begun_evaluating = time.perf_counter()
    val = predict(model.module, data.val, protocol, device)
    test = predict(model.module, data.open_test(), protocol, device)
    stages.run("evaluate", begun_evaluating)
    peak_memory_bytes = memory.peak_bytes()
    save_predictions(test, job.predictions)

    parameters = dict(model.module.named_parameters())
    step_ms = log.step_ms()
    warmup_steps, warmup_seconds = log.warmup
    return Record(
        trial=trial_key(trial),
        status="ok",
        started=started,
        weights=weights_record(cell, progress.weights_digest),
        data=data_record(job.data),
        metrics=Metrics(accuracy=test.accuracy, val_accuracy=val.accuracy, train_loss=train_loss),
        cost=Cost(
            concurrent_trials=job.concurrent_trials,
            paid_seconds=time.perf_counter() - begun,
            load_seconds=stages.seconds["load"],
            train_seconds=stages.seconds["train"],
            evaluate_seconds=stages.seconds["evaluate"],
            warmup_steps=warmup_steps,
            warmup_seconds=warmup_seconds,
            step_ms=StepMs(**step_ms.model_dump()) if step_ms else None,
            images_per_second=log.images_per_second(),
            peak_memory_bytes=peak_memory_bytes,
            memory_basis="cuda-allocated" if device.type == "cuda" else "resident-growth",
            trainable_parameters=sum(parameters[name].numel() for name in trained if name in parameters),
            total_parameters=sum(parameter.numel() for parameter in parameters.values()),
        ),
        environment=environment(device).model_dump(),
        provenance=job.provenance,
        predictions=job.predictions.name,
    )


def load_model(backbone: Backbone, cell: Cell, num_classes: int, head_seed: int, device: torch.device) -> TransferModel:
    """The cell's model on its device, with the weights that the plan says and a new head of a seed of its own."""
    pretrained = cell.weights.kind == "pretrained"
    module = backbone.build(num_classes, image_size=cell.protocol.image_size, pretrained=pretrained)
    model = TransferModel(module, backbone)
    torch.manual_seed(head_seed)
    model.reset_head()
    if cell.weights.kind == "file" and cell.weights.url is not None:
        load_body(module, read_checkpoint(Path(cell.weights.url)), _heads(backbone), cell.weights.url)
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Keep per-example predictions as safetensors, complete or not at all."""
    temporary = path.with_suffix(".tmp")
    save_file(predictions.tensors(), temporary)
    temporary.replace(path)


def _follow(progress: Progress, report: Report) -> Report:
    def follow(event: Event) -> None:
        if isinstance(event, StepDone):
            progress.step = event.step
        report(event)

    return follow


def _heads(backbone: Backbone) -> tuple[str, ...]:
    return (backbone.head,) if isinstance(backbone.head, str) else backbone.head


def _status(error: Exception) -> Status:
    if isinstance(error, Diverged):
        return "diverged"
    # the CPU allocator raises a plain RuntimeError
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out-of-memory"
    return "failed"
