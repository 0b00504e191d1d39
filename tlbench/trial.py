"""One trial, from a model made ready to its record."""

from __future__ import annotations

import traceback
from datetime import datetime
from pathlib import Path

import torch
from safetensors.torch import save_file

from tlbench.engine.adapt import adapt, tuned
from tlbench.engine.distance import distance
from tlbench.engine.evaluate import Predictions, evaluation_batch
from tlbench.engine.feed import first_batch
from tlbench.engine.inference import inference
from tlbench.engine.metrics import metrics
from tlbench.engine.stand import Progress, Stand, make_ready
from tlbench.errors import Diverged
from tlbench.jobs import TrialJob, data_record, failure, trial_key, weights_record
from tlbench.records import CandidateRecord, ErrorRecord, Record, Status
from tlbench.registry import Registry


def rehearse_trial(job: TrialJob, registry: Registry, steps: int) -> None:
    """Try some steps of each phase and one batch of predictions; raises what a trial would fail of."""
    stand = make_ready(job, registry, lambda _event: None, Progress(), steps)
    adapt(stand)
    first = torch.arange(min(evaluation_batch(stand.setting.protocol, stand.setting.device), len(stand.data.train)))
    with torch.inference_mode():
        stand.model.module.eval()(stand.data.train.batch(first).images)


def carry_out(stand: Stand, job: TrialJob, started: datetime) -> Record:
    """Train, choose, open test, and give the record of a job's leading trial; raises whatever goes wrong."""
    progress = stand.progress
    tuning: list[CandidateRecord] = []
    if job.trial.cell.tuned_rates:
        stand, tuning = tuned(stand, job.trial.cell.tuned_rates)
    else:
        adapt(stand)
    model, data, meters, setting = stand.model, stand.data, stand.meters, stand.setting

    meters.stages.enter("evaluate")
    pieces = stand.evaluation_cut()
    val = stand.predict("val", data.val, pieces)
    data.last_choice_made()
    test = stand.predict("test", data.open_test(), pieces)
    scored = metrics(test, val.accuracy, progress.train_loss)
    meters.stages.enter("save")
    save_predictions(test, job.predictions(job.trial))
    with meters.stages.within("measure"):
        meters.end_memory()
        travelled = distance(model, stand.start)
        measure_inference(stand)
    return Record(
        trial=trial_key(job.trial),
        status="ok",
        started=started,
        weights=weights_record(job.trial.cell, progress.weights_digest),
        data=data_record(job.data),
        learning_rate=setting.learning_rate,
        tuning=tuning,
        metrics=scored,
        history=progress.history,
        distance=travelled,
        notes=model.notes,
        cost=meters.cost(
            model.module,
            sum(progress.trained.values()),
            job.concurrent_trials,
            job.peak_flops_per_second,
            budget_images(stand, job),
        ),
        environment=progress.environment,
        numerics=job.numerics,
        provenance=job.provenance,
        predictions=job.predictions(job.trial).name,
    )


def measure_inference(stand: Stand) -> None:
    """Let the finished model predict some images of val in several batch sizes."""
    protocol = stand.setting.protocol
    images = first_batch(stand.data.val, protocol.batch_size).images
    stand.meters.add_inference(inference(stand.model.module, images, protocol))


def budget_images(stand: Stand, job: TrialJob) -> int:
    """How many images the protocol's epochs have for all rates that a trial tries."""
    rates = max(1, len(job.trial.cell.tuned_rates))
    return len(stand.data.train) * stand.setting.protocol.epochs * rates


def failed(job: TrialJob, error: Exception, progress: Progress, started: datetime) -> Record:
    """The record of a trial in which an exception was raised."""
    step = error.step if isinstance(error, Diverged) and error.step is not None else progress.step
    problem = ErrorRecord(
        type=type(error).__name__,
        message=str(error) or type(error).__name__,
        phase=progress.phase,
        step=step,
        traceback="".join(traceback.format_exception(error)),
    )
    return failure(job, _status(error), problem, started, progress.weights_digest, progress.environment)


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Keep per-example predictions as safetensors, complete or not at all."""
    temporary = path.with_suffix(".tmp")
    save_file(predictions.tensors(), temporary)
    temporary.replace(path)


def out_of_memory(error: Exception) -> bool:
    """Whether an allocator had no more to give; the CPU's raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _status(error: Exception) -> Status:
    if out_of_memory(error):
        return "out-of-memory"
    return "diverged" if isinstance(error, Diverged) else "failed"
