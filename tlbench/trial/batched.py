"""A job carried out: its trials as one product where they differ in a linear head alone, else its first by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter

from torch import nn

from tlbench.contracts.phases import Train
from tlbench.data.batches import Images
from tlbench.engine.adapt import hold_to_head
from tlbench.engine.context import Context, Progress
from tlbench.engine.cut import Cut
from tlbench.engine.distance import distance
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.features import feed
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase
from tlbench.engine.product import Head, Product, linear_suffix, train_heads
from tlbench.engine.seeds import Seeds
from tlbench.errors import Diverged, PhaseError
from tlbench.events import Report
from tlbench.plan.cell import Trial
from tlbench.registry.kinds import Registry
from tlbench.results.beside import RetentionRecord
from tlbench.results.costs import Cost
from tlbench.results.records import CandidateRecord, DistanceRecord, EpochRecord, ErrorRecord, Metrics, Record
from tlbench.results.store import RunFolder
from tlbench.trial.cost import attributed_cost, measure_alone, timed
from tlbench.trial.jobs import TrialJob, failure
from tlbench.trial.ready import draw_head, make_ready
from tlbench.trial.record import Found, record_of
from tlbench.trial.retention import retention
from tlbench.trial.robustness import NOT_ASKED, Model, Robustness, measure_robustness
from tlbench.trial.save import save_model
from tlbench.trial.scored import save_predictions, scored
from tlbench.trial.single import carry_out, failed, measure_inference


@dataclass(frozen=True)
class Tried:
    """A trained head on val: what it predicts (None where it diverged), and the seconds that took."""

    head: Head
    val: Predictions | None
    seconds: float


@dataclass(frozen=True)
class Tested:
    """A trial's chosen head on test: scored and saved, each with the seconds it took; and on what else is asked for."""

    chosen: Tried
    metrics: Metrics
    notes: dict[str, str]
    evaluate_seconds: float
    save_seconds: float
    robustness: Robustness = NOT_ASKED


@dataclass(frozen=True)
class OfBody:
    """What is the same for all trials, whose body is one: how far it went, and what is left of the source in it."""

    travelled: DistanceRecord
    retention: RetentionRecord | None


@dataclass(frozen=True)
class BatchedTrials:
    """A job whose heads are trained as one product, made ready; `out` takes what belongs beside its records."""

    context: Context
    job: TrialJob
    product: Product
    registry: Registry
    out: RunFolder
    started: datetime


def run_job(job: TrialJob, registry: Registry, out: RunFolder, report: Report) -> list[Record]:
    """The records of a job's trials; predictions and models are written to `out`.

    What goes wrong with a trial alone becomes its record's status. What goes wrong with all together is raised: they
    are to be tried by themselves.
    """
    started, progress = datetime.now(UTC), Progress()
    if job.product:
        context = make_ready(job, registry, report, progress)
        return _run_batched(BatchedTrials(context, job, _product(context, job), registry, out, started))
    try:
        context = make_ready(job, registry, report, progress)
        return [carry_out(context, job, registry, out, started)]
    except Exception as error:
        return [failed(job, error, progress, started)]


def _product(context: Context, job: TrialJob) -> Product:
    """The product of a job's heads; raises PhaseError where they can't be trained so."""
    cell = job.trial.cell
    rates = cell.tuned_rates or ((cell.learning_rate,) if cell.learning_rate is not None else ())
    phases = list(context.strategy.load().phases(context.model, context.strategy.options))
    for number, phase in enumerate(phases):
        hold_to_head(context, phase, number)
    (phase,) = phases
    assert isinstance(phase, Train)
    phase = context.in_budget(phase)
    context.meters.spans.enter("train")
    prepare_phase(context.model, phase)
    with context.meters.spans.within("features"):
        fed, features = feed(
            context.model, phase, context.feature_inputs(images=context.data.train, split="train"), context.cache
        )
    layer = linear_suffix(fed)
    if layer is None:
        raise PhaseError(f"the heads can't be trained on features: {features.reason}")
    context.meters.share(features)
    return Product(phase, fed, features, layer, _heads(context, job, layer, rates))


def _heads(context: Context, job: TrialJob, layer: nn.Linear, rates: tuple[float, ...]) -> list[Head]:
    """A head for each trial and rate, drawn and ordered as the trial alone would."""
    heads = []
    for trial in job.trials:
        seeds = Seeds(trial.seed, trial.cell.protocol.vary)
        draw_head(context.model, seeds, context.setting.device)
        weight, bias = (None if each is None else each.detach().clone() for each in (layer.weight, layer.bias))
        assert weight is not None
        order = seeds.generator("order")
        heads += [Head(trial.seed, rate, order, weight, bias) for rate in rates]
    return heads


def _run_batched(trials: BatchedTrials) -> list[Record]:
    context, job, product = trials.context, trials.job, trials.product
    spans, data = context.meters.spans, context.data
    with spans.within("measure"):
        alone = measure_alone(context, product)
    with context.meters.memory.aside():
        train_heads(product.heads, product.feed, product.phase, 0, context.setting)
    context.progress.note_trained(context.model.parameters(product.phase.part))

    spans.enter("validate")
    pieces, cut_seconds = timed(context.evaluation_cut)
    val, val_seconds = timed(lambda: context.evaluation_feed("val", data.val, pieces))
    tried: dict[int, list[Tried]] = {trial.seed: [] for trial in job.trials}
    for head in product.heads:
        tried[head.seed].append(_try(trials, head, val))

    spans.enter("evaluate")
    data.last_choice_made()
    images = data.open_test()
    test, test_seconds = timed(lambda: context.evaluation_feed("test", images, pieces))
    tested: dict[int, Tested | None] = {}
    for trial in job.trials:
        whole = [(each.val.merit, each) for each in tried[trial.seed] if each.val is not None]
        best = max(whole, key=itemgetter(0), default=(None, None))[1]
        tested[trial.seed] = None if best is None else _test(trials, best, images, test, trial)
    spans.enter("save")
    with spans.within("measure"):
        context.meters.end_memory()
        measure_inference(context)
        body = OfBody(distance(context.model, context.start), retention(context, job, trials.registry))
    _measure_robustness(trials, tested, images, pieces)
    shared = attributed_cost(context, job, product, alone)
    feeds_seconds = cut_seconds + val_seconds + test_seconds
    return [
        _record(trials, trial, shared, tried[trial.seed], tested[trial.seed], feeds_seconds, body)
        for trial in job.trials
    ]


def _try(trials: BatchedTrials, head: Head, val: Feed) -> Tried:
    context = trials.context
    if head.diverged_at is not None:
        return Tried(head, None, 0.0)
    trials.product.put(head)
    begun = time.perf_counter()
    try:
        seen = predict(context.model.module, val, context.data.val.indices, context.setting)
    except Diverged:
        return Tried(head, None, 0.0)
    return Tried(head, seen, time.perf_counter() - begun)


def _test(trials: BatchedTrials, best: Tried, images: Images, test: Feed, trial: Trial) -> Tested:
    context = trials.context
    trials.product.put(best.head)
    begun = time.perf_counter()
    seen = predict(context.model.module, test, images.indices, context.setting)
    assert best.val is not None
    notes: dict[str, str] = {}
    metrics = scored(seen, best.val, best.head.losses[-1], context.extra_metrics, notes)
    evaluated = time.perf_counter()
    save_predictions(seen, trials.out.predictions(trial.id))
    save_model(context, trials.job, trial, trials.registry, trials.out, notes)
    return Tested(best, metrics, notes, evaluated - begun, time.perf_counter() - evaluated)


def _measure_robustness(
    trials: BatchedTrials, tested: dict[int, Tested | None], images: Images, pieces: Cut | str
) -> None:
    """Add to each trial's test what its head is measured on besides; the body's part of that is computed once."""
    done = {seed: each for seed, each in tested.items() if each is not None}
    heads = {seed: Model(partial(trials.product.put, each.chosen.head), each.notes) for seed, each in done.items()}
    body = pieces if isinstance(pieces, Cut) else None
    found = measure_robustness(trials.context, trials.job, trials.registry, images, heads, body)
    for seed, each in done.items():
        tested[seed] = replace(each, robustness=found[seed])


def _record(
    trials: BatchedTrials,
    trial: Trial,
    shared: Cost,
    tried: list[Tried],
    tested: Tested | None,
    feeds_seconds: float,
    body: OfBody,
) -> Record:
    context, job, started = trials.context, trials.job, trials.started
    progress = context.progress
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
            "robustness_seconds": tested.robustness.seconds,
            "save_seconds": tested.save_seconds,
        }
    )
    losses = tested.chosen.head.losses
    found = Found(
        metrics=tested.metrics,
        learning_rate=tested.chosen.head.learning_rate,
        history=[
            EpochRecord(phase=0, epoch=epoch, train_loss=loss, kept=epoch == len(losses))
            for epoch, loss in enumerate(losses, start=1)
        ],
        distance=body.travelled,
        cost=cost,
        notes=tested.notes,
        retention=body.retention,
        tuning=[_candidate(each, each_seconds, each is tested.chosen) for each in tried] if tuned else [],
        robustness=tested.robustness,
    )
    return record_of(context, job, trial, found, trials.out, started)


def _candidate(tried: Tried, train_seconds: float, chosen: bool) -> CandidateRecord:
    return CandidateRecord(
        learning_rate=tried.head.learning_rate,
        val=tried.val.value if tried.val else None,
        val_loss=tried.val.loss if tried.val else None,
        seconds=train_seconds + tried.seconds,
        chosen=chosen,
    )


def _divergence(step: int | None) -> ErrorRecord:
    where = "its outputs" if step is None else f"the training loss at step {step}"
    message = f"{where} became other than finite; a lower learning rate is the usual remedy"
    return ErrorRecord(type="Diverged", message=message, phase=0, step=step)
