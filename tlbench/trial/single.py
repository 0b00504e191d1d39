"""One trial, from a model made ready to its record."""

from __future__ import annotations

import traceback
from datetime import datetime

import torch

from tlbench.engine.adapt import adapt, tuned
from tlbench.engine.context import Context, Progress
from tlbench.engine.distance import distance
from tlbench.engine.evaluate import evaluation_batch
from tlbench.engine.feed import first_batch
from tlbench.engine.inference import inference
from tlbench.errors import Diverged
from tlbench.registry.kinds import Registry
from tlbench.results.records import CandidateRecord, ErrorRecord, Record, Status
from tlbench.results.store import RunFolder
from tlbench.trial.jobs import TrialJob, failure
from tlbench.trial.ready import make_ready
from tlbench.trial.record import Found, record_of
from tlbench.trial.retention import retention
from tlbench.trial.robustness import Model, measure_robustness
from tlbench.trial.save import save_model
from tlbench.trial.scored import save_predictions, scored


def try_steps_of_trial(job: TrialJob, registry: Registry, steps: int) -> None:
    """Try some steps of each phase and one batch of predictions; raises what a trial would fail of."""
    context = make_ready(job, registry, lambda _event: None, Progress(), steps)
    adapt(context)
    first = torch.arange(
        min(evaluation_batch(context.setting.protocol, context.setting.device), len(context.data.train))
    )
    with torch.inference_mode():
        context.model.module.eval()(context.data.train.batch(first).images)


def carry_out(context: Context, job: TrialJob, registry: Registry, out: RunFolder, started: datetime) -> Record:
    """Train, choose, open test, and give the record of a job's leading trial; raises whatever goes wrong.

    Predictions, and the model if it is saved, are written to `out`.
    """
    progress = context.progress
    tuning: list[CandidateRecord] = []
    if job.trial.cell.tuned_rates:
        context, tuning = tuned(context, job.trial.cell.tuned_rates)
    else:
        adapt(context)
    model, data, meters, setting = context.model, context.data, context.meters, context.setting

    meters.spans.enter("evaluate")
    pieces = context.evaluation_cut()
    val = context.predict("val", data.val, pieces)
    data.last_choice_made()
    images = data.open_test()
    test = context.predict("test", images, pieces)
    metrics = scored(test, val, progress.train_loss, context.extra_metrics, model.notes)
    meters.spans.enter("save")
    save_predictions(test, out.predictions(job.trial.id))
    save_model(context, job, job.trial, registry, out, model.notes)
    with meters.spans.within("measure"):
        meters.end_memory()
        travelled = distance(model, context.start)
        measure_inference(context)
        kept = retention(context, job, registry)
    seed = job.trial.seed
    robustness = measure_robustness(context, job, registry, images, {seed: Model(lambda: None, model.notes)})[seed]
    found = Found(
        metrics=metrics,
        learning_rate=setting.learning_rate,
        history=progress.history,
        distance=travelled,
        cost=meters.cost(
            model.module,
            sum(progress.trained.values()),
            job.concurrent_trials,
            job.peak_flops_per_second,
            budget_images(context, job),
        ),
        notes=model.notes,
        retention=kept,
        tuning=tuning,
        robustness=robustness,
    )
    return record_of(context, job, job.trial, found, out, started)


def measure_inference(context: Context) -> None:
    """Let the finished model predict some images of val in several batch sizes."""
    protocol = context.setting.protocol
    images = first_batch(context.data.val, protocol.batch_size).images
    context.meters.add_inference(inference(context.model.module, images, protocol))


def budget_images(context: Context, job: TrialJob) -> int:
    """How many images the protocol's epochs have for all rates that a trial tries."""
    rates = max(1, len(job.trial.cell.tuned_rates))
    return len(context.data.train) * context.setting.protocol.epochs * rates


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


def out_of_memory(error: Exception) -> bool:
    """Whether an allocator had no more to give; the CPU's raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _status(error: Exception) -> Status:
    if out_of_memory(error):
        return "out-of-memory"
    return "diverged" if isinstance(error, Diverged) else "failed"
