"""What a trial would have cost alone whose head was trained in one product with others, from one head by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from tlbench.engine.context import Context
from tlbench.engine.feed import first_batch
from tlbench.engine.loop import phase_steps, train
from tlbench.engine.probe import probe_step
from tlbench.engine.product import Product
from tlbench.measure.meters import PhaseMeasured, StepProbe, end_to_end
from tlbench.measure.steps import PhaseSteps
from tlbench.results.costs import Cost
from tlbench.trial.jobs import TrialJob
from tlbench.trial.single import budget_images

T = TypeVar("T")

ALONE_STEPS = 200
"""Steps of one head by itself that are timed beside the product: they say what each would have cost alone."""


@dataclass(frozen=True)
class Alone:
    """What one head was measured to cost by itself: its steps, the seconds of each with all around it, the probe."""

    steps: PhaseSteps
    step_seconds: float
    optimizer_bytes: int
    probe: StepProbe
    probe_seconds: float


def measure_alone(context: Context, product: Product) -> Alone:
    """Train one head by itself for some steps, and time them; the layer's tensors are put back afterwards."""
    protocol, model, phase = context.setting.protocol, context.model, product.phase
    product.put(product.heads[0])
    batch = first_batch(context.data.train, protocol.batch_size)
    probe, probe_seconds = timed(lambda: probe_step(model, phase, product.feed, batch, context.setting))
    quiet = replace(
        context.setting, order=torch.Generator(), report=lambda _event: None, most_steps=ALONE_STEPS,
        between_steps=lambda: None,
    )  # fmt: skip
    trained, seconds = timed(lambda: train(model, phase, 0, quiet, product.feed))
    return Alone(trained.steps, seconds / len(trained.steps.steps), trained.optimizer_bytes, probe, probe_seconds)


def attributed_cost(context: Context, job: TrialJob, product: Product, alone: Alone) -> Cost:
    """The cost of the whole job, with the steps of a head by itself for each rate."""
    trials, meters = len(job.trials), context.meters
    images = round(product.phase.epochs * context.setting.protocol.epochs * len(context.data.train))
    rates = [head.learning_rate for head in product.heads[: len(product.heads) // trials]]
    for rate in rates:
        meters.add(
            PhaseMeasured(
                phase=0,
                learning_rate=rate,
                steps=alone.steps,
                images=images,
                trainable_parameters=sum(each.numel() for each in product.layer.parameters()),
                optimizer_bytes=alone.optimizer_bytes,
                data_bytes=context.resident_bytes(product.feed.source),
                probe=alone.probe,
                features=product.features,
            )
        )
    module, trained = context.model.module, sum(context.progress.trained.values())
    budget = budget_images(context, job)
    cost = meters.cost(module, trained, job.concurrent_trials, job.peak_flops_per_second, budget)
    steps = phase_steps(product.phase, context.setting.protocol, len(context.data.train))
    train_seconds = alone.step_seconds * steps * len(rates)
    return cost.model_copy(
        update={
            "basis": "attributed",
            "product_heads": len(product.heads),
            "paid_seconds": cost.paid_seconds / trials,
            "features_paid_seconds": (cost.features_paid_seconds or 0.0) / trials,
            "measure_seconds": alone.probe_seconds * len(rates),
            "train_seconds": train_seconds,
            "images_per_second": end_to_end(images * len(rates), train_seconds, cost.features_seconds),
            "warmup_steps": cost.phases[0].warmup_steps,
            "warmup_seconds": cost.phases[0].warmup_seconds,
            "phases": [each.model_copy(update={"steps": steps}) for each in cost.phases],
            "energy_joules": None,
            "energy_source": None,
            "energy_reason": cost.energy_reason or f"{len(product.heads)} heads were trained together",
        }
    )


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """What a function gives, and the seconds that it took."""
    begun = time.perf_counter()
    return function(), time.perf_counter() - begun
