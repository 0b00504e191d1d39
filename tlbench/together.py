"""A job carried out: its trials as one product where they differ in a linear head alone, else its first by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from tlbench.contracts import Train
from tlbench.data.batches import Images
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.features import feed
from tlbench.engine.feed import Feed
from tlbench.engine.loop import phase_steps, prepare_phase, train
from tlbench.engine.metrics import metrics
from tlbench.engine.probe import StepProbe, probe_step
from tlbench.engine.product import Head, linear_suffix, only_phase, train_heads
from tlbench.engine.seeds import Seeds
from tlbench.engine.stand import Progress, Stand, make_ready
from tlbench.errors import Diverged
from tlbench.events import Grouped, Report
from tlbench.jobs import TrialJob, data_record, failure, trial_key, weights_record
from tlbench.measure.meters import PhaseMeasured
from tlbench.measure.steps import PhaseSteps
from tlbench.plan import Trial
from tlbench.records import CandidateRecord, Cost, EpochRecord, ErrorRecord, FeaturesRecord, Metrics, Record
from tlbench.registry import Registry
from tlbench.trial import carry_out, failed, save_predictions

T = TypeVar("T")

ALONE_STEPS = 200
"""Steps of one head by itself that are timed beside the product: they say what each would have cost alone."""


@dataclass(frozen=True)
class Product:
    """What the heads of a job share: the phase, the features, and the layer that each in turn is put into."""

    phase: Train
    feed: Feed
    features: FeaturesRecord
    layer: nn.Linear
    heads: list[Head]

    def put(self, head: Head) -> None:
        """Make it the model's head."""
        with torch.no_grad():
            self.layer.weight.copy_(head.weight)
            if head.bias is not None:
                self.layer.bias.copy_(head.bias)


@dataclass(frozen=True)
class Alone:
    """What one head was measured to cost by itself: its steps, the seconds of each with all around it, the probe."""

    steps: PhaseSteps
    step_seconds: float
    optimizer_bytes: int
    probe: StepProbe
    probe_seconds: float


@dataclass(frozen=True)
class Tried:
    """A trained head on val: what it predicts (None where it diverged), and the seconds that took."""

    head: Head
    val: Predictions | None
    seconds: float

    @property
    def merit(self) -> tuple[float, float]:
        """What is chosen by: val accuracy, of equals the lower loss."""
        assert self.val is not None
        return self.val.accuracy, -float(self.val.nll.double().mean())


@dataclass(frozen=True)
class Tested:
    """A trial's chosen head on test: scored and saved, each with the seconds it took."""

    chosen: Tried
    metrics: Metrics
    evaluate_seconds: float
    save_seconds: float


def run_job(job: TrialJob, registry: Registry, report: Report) -> list[Record]:
    """The records of a job's trials where they are trained together, else of its first alone; it tells which early.

    What goes wrong with a trial alone becomes its record's status. What goes wrong with all together is raised: they
    are to be tried by themselves.
    """
    started, progress = datetime.now(UTC), Progress()
    try:
        stand = make_ready(job, registry, report, progress)
        product = _product(stand, job)
        if product is None:
            report(Grouped(False))
            return [carry_out(stand, job, started)]
    except Exception as error:
        return [failed(job, error, progress, started)]
    report(Grouped(True))
    return _run_together(stand, job, product, started)


def _product(stand: Stand, job: TrialJob) -> Product | None:
    """The product of a job's heads; None where there is one, or the strategy does more than train a linear head."""
    cell = job.trial.cell
    rates = cell.tuned_rates or (stand.setting.learning_rate,)
    if not job.may_be_product or len(rates) * len(job.trials) == 1:
        return None
    phase = only_phase(stand.model, stand.strategy)
    if phase is None:
        return None
    stand.meters.stages.enter("train")
    prepare_phase(stand.model, phase)
    with stand.meters.stages.within("features"):
        fed, features = feed(stand.model, phase, stand.source(images=stand.data.train, split="train"), stand.cache)
    layer = linear_suffix(fed)
    if layer is None:
        return None
    stand.meters.share(features)
    return Product(phase, fed, features, layer, _heads(stand, job, layer, rates))


def _heads(stand: Stand, job: TrialJob, layer: nn.Linear, rates: tuple[float, ...]) -> list[Head]:
    """A head for each trial and rate, drawn and ordered as the trial alone would."""
    heads = []
    for trial in job.trials:
        seeds = Seeds(trial.seed, trial.cell.protocol.vary)
        stand.new_head(seeds)
        weight, bias = (None if each is None else each.detach().clone() for each in (layer.weight, layer.bias))
        assert weight is not None
        order = seeds.generator("order")
        heads += [Head(trial.seed, rate, order, weight, bias) for rate in rates]
    return heads


def _run_together(stand: Stand, job: TrialJob, product: Product, started: datetime) -> list[Record]:
    stages, data, protocol = stand.meters.stages, stand.data, stand.setting.protocol
    with stages.within("measure"):
        alone = _alone(stand, product)
    train_heads(product.heads, product.feed, product.phase, 0, protocol, stand.setting.report)
    stand.progress.trained |= {name for name, _ in stand.model.parameters(product.phase.part)}

    stages.enter("validate")
    pieces, cut_seconds = _timed(stand.evaluation_cut)
    val, val_seconds = _timed(lambda: stand.evaluation_feed("val", data.val, pieces))
    tried: dict[int, list[Tried]] = {trial.seed: [] for trial in job.trials}
    for head in product.heads:
        tried[head.seed].append(_try(stand, product, head, val))

    stages.enter("evaluate")
    data.last_choice_made()
    images = data.open_test()
    test, test_seconds = _timed(lambda: stand.evaluation_feed("test", images, pieces))
    tested: dict[int, Tested | None] = {}
    for trial in job.trials:
        whole = [each for each in tried[trial.seed] if each.val is not None]
        best = max(whole, key=lambda each: each.merit, default=None)
        tested[trial.seed] = None if best is None else _test(stand, product, best, images, test, job.predictions(trial))
    stages.enter("save")
    shared = _shared_cost(stand, job, product, alone)
    feeds_seconds = cut_seconds + val_seconds + test_seconds
    return [
        _record(stand, job, trial, shared, tried[trial.seed], tested[trial.seed], feeds_seconds, started)
        for trial in job.trials
    ]


def _alone(stand: Stand, product: Product) -> Alone:
    """Train one head by itself for some steps, and time them; the layer's tensors are put anew afterwards."""
    protocol, model, phase = stand.setting.protocol, stand.model, product.phase
    product.put(product.heads[0])
    batch = stand.data.train.batch(torch.arange(min(protocol.batch_size, len(stand.data.train))))
    probe, probe_seconds = _timed(
        lambda: probe_step(model, phase, product.feed, batch, stand.setting.device, protocol.precision)
    )
    quiet = replace(stand.setting, order=torch.Generator(), report=lambda _event: None, most_steps=ALONE_STEPS)
    trained, seconds = _timed(lambda: train(model, phase, 0, quiet, product.feed))
    return Alone(trained.steps, seconds / len(trained.steps.steps), trained.optimizer_bytes, probe, probe_seconds)


def _try(stand: Stand, product: Product, head: Head, val: Feed) -> Tried:
    if head.diverged_at is not None:
        return Tried(head, None, 0.0)
    product.put(head)
    begun = time.perf_counter()
    try:
        seen = predict(stand.model.module, val, stand.data.val.indices, stand.setting.protocol)
    except Diverged:
        return Tried(head, None, 0.0)
    return Tried(head, seen, time.perf_counter() - begun)


def _test(stand: Stand, product: Product, best: Tried, images: Images, test: Feed, file: Path) -> Tested:
    product.put(best.head)
    begun = time.perf_counter()
    seen = predict(stand.model.module, test, images.indices, stand.setting.protocol)
    scored = metrics(seen, best.merit[0], best.head.losses[-1])
    evaluated = time.perf_counter()
    save_predictions(seen, file)
    return Tested(best, scored, evaluated - begun, time.perf_counter() - evaluated)


def _shared_cost(stand: Stand, job: TrialJob, product: Product, alone: Alone) -> Cost:
    """The cost of the whole job, with the steps of a head by itself for each rate."""
    trials, meters = len(job.trials), stand.meters
    rates = [head.learning_rate for head in product.heads[: len(product.heads) // trials]]
    for rate in rates:
        meters.add(
            PhaseMeasured(
                phase=0,
                learning_rate=rate,
                steps=alone.steps,
                trainable_parameters=sum(each.numel() for each in product.layer.parameters()),
                optimizer_bytes=alone.optimizer_bytes,
                gradient_bytes=alone.probe.gradient_bytes,
                activation_bytes=alone.probe.activation_bytes,
                forward_flops_per_image=alone.probe.forward_flops_per_image,
                train_flops_per_image=alone.probe.train_flops_per_image,
                features=product.features,
            )
        )
    module, trained = stand.model.module, stand.progress.trained.__contains__
    cost = meters.cost(module, trained, job.concurrent_trials, job.peak_flops_per_second)
    steps = phase_steps(product.phase, stand.setting.protocol, len(stand.data.train))
    return cost.model_copy(
        update={
            "basis": "attributed",
            "product_heads": len(product.heads),
            "paid_seconds": cost.paid_seconds / trials,
            "features_paid_seconds": (cost.features_paid_seconds or 0.0) / trials,
            "measure_seconds": alone.probe_seconds * len(rates),
            "train_seconds": alone.step_seconds * steps * len(rates),
            "step_ms": cost.phases[0].step_ms,  # all rates have the same steps
            "warmup_steps": cost.phases[0].warmup_steps,
            "warmup_seconds": cost.phases[0].warmup_seconds,
            "phases": [each.model_copy(update={"steps": steps}) for each in cost.phases],
            "energy_joules": None,
            "energy_source": None,
            "energy_reason": cost.energy_reason or f"{len(product.heads)} heads were trained in one product",
        }
    )


def _record(
    stand: Stand,
    job: TrialJob,
    trial: Trial,
    shared: Cost,
    tried: list[Tried],
    tested: Tested | None,
    feeds_seconds: float,
    started: datetime,
) -> Record:
    progress = stand.progress
    if tested is None:
        step = tried[0].head.diverged_at
        return failure(
            job, "diverged", _divergence(step), started, progress.weights_digest, progress.environment, trial
        )
    tuned = bool(trial.cell.tuned_rates)
    each_seconds = shared.train_seconds / len(tried)
    val_seconds = sum(each.seconds for each in tried)
    cost = shared.model_copy(
        update={
            "validate_seconds": val_seconds if tuned else None,
            "evaluate_seconds": feeds_seconds + tested.evaluate_seconds + (0.0 if tuned else val_seconds),
            "save_seconds": tested.save_seconds,
        }
    )
    return Record(
        trial=trial_key(trial),
        status="ok",
        started=started,
        weights=weights_record(trial.cell, progress.weights_digest),
        data=data_record(job.data),
        learning_rate=tested.chosen.head.learning_rate,
        tuning=[_candidate(each, each_seconds, each is tested.chosen) for each in tried] if tuned else [],
        metrics=tested.metrics,
        history=[
            EpochRecord(phase=0, epoch=epoch, train_loss=loss, kept=epoch == len(tested.chosen.head.losses))
            for epoch, loss in enumerate(tested.chosen.head.losses, start=1)
        ],
        cost=cost,
        environment=progress.environment,
        numerics=job.numerics,
        provenance=job.provenance,
        predictions=job.predictions(trial).name,
    )


def _candidate(tried: Tried, train_seconds: float, chosen: bool) -> CandidateRecord:
    return CandidateRecord(
        learning_rate=tried.head.learning_rate,
        val_accuracy=tried.val.accuracy if tried.val else None,
        val_nll=-tried.merit[1] if tried.val else None,
        seconds=train_seconds + tried.seconds,
        chosen=chosen,
    )


def _divergence(step: int | None) -> ErrorRecord:
    where = "its outputs" if step is None else f"the training loss at step {step}"
    message = f"{where} became other than finite; a lower learning rate is the usual remedy"
    return ErrorRecord(type="Diverged", message=message, phase=0, step=step)


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return function(), time.perf_counter() - begun
