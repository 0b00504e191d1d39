"""A strategy carried out: its phases one after the other, with one learning rate or with several to choose from."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import Part
from tlbench.contracts.phases import Look, Phase, Rewrite, Solve, Train, Validate
from tlbench.data.batches import epoch_order
from tlbench.engine.batchnorm import reestimate, settle
from tlbench.engine.compilation import compiled
from tlbench.engine.context import Context
from tlbench.engine.evaluate import Predictions
from tlbench.engine.features import feed
from tlbench.engine.feed import first_batch
from tlbench.engine.frozen import digests, refuse_changes
from tlbench.engine.loop import phase_steps, prepare_phase, train
from tlbench.engine.probe import probe_step
from tlbench.engine.seeds import Stream
from tlbench.engine.selection import Selection
from tlbench.engine.solve import solve
from tlbench.errors import Diverged, PhaseError
from tlbench.measure.meters import PhaseMeasured
from tlbench.results.costs import CompileRecord
from tlbench.results.records import CandidateRecord, EpochRecord

NOTHING = Part(frozenset())


def adapt(context: Context) -> None:
    """Ask the strategy for its phases, and carry each out."""
    progress, strategy = context.progress, context.strategy
    context.meters.stages.enter("train")
    context.meters.energy.start()
    torch.manual_seed(context.seeds.of("augmentation"))
    if context.data.train.augment is not None:
        context.data.train.augment.restart()
    new_tensors = Stream(context.seeds.of("initialisation", " of new tensors"), context.setting.device)
    with new_tensors.drawing():
        phases = iter(strategy.load().phases(context.model, strategy.options))
    found: Any = None
    for number in itertools.count():
        try:
            with new_tensors.drawing():
                phase = phases.send(found) if isinstance(phases, Generator) else next(phases)
        except StopIteration:
            break
        progress.phase, progress.step = number, None
        hold_to_head(context, phase, number)
        found = (
            _rewrite(context, phase, new_tensors) if isinstance(phase, Rewrite) else _carry_out(context, phase, number)
        )
    progress.phase, progress.step = None, None


def hold_to_head(context: Context, phase: Phase, number: int) -> None:
    """Raise PhaseError where a strategy claims that it trains the head alone, and yields anything else."""
    if not context.strategy.load().head_only:
        return
    head = context.model.head
    plain = isinstance(phase, Train) and phase == Train(head, phase.epochs, phase.lr)
    if number or not plain:
        what = "a second phase" if number else f"a {type(phase).__name__} of something else"
        raise PhaseError(
            f"strategy {context.strategy.ref} states head_only, and yields {what}: it must be one Train of the head by "
            f"the task's loss, or not state it"
        )


def _rewrite(context: Context, phase: Rewrite, new_tensors: Stream) -> Any:
    """Change the model, and give averaged weights BatchNorm statistics of their own."""
    with new_tensors.drawing():
        found = phase.apply(context.model)
    if context.model.statistics_mixed:
        reestimate(context.model, _looked_at(context, " of statistics"))
        context.meters.add_images(len(context.data.train))
    return found


def _carry_out(context: Context, phase: Phase, number: int) -> Any:
    """Do what a phase says; gives what is sent back to the strategy."""
    match phase:
        case Train():
            phase = context.in_budget(phase)
            trained = context if phase.of is None else dataclasses.replace(context, model=phase.of)
            with _frozen(trained, phase.part if phase.moves is None else phase.part | phase.moves):
                _train(trained, phase, number)
            if phase.of is None:
                context.progress.note_trained(context.model.parameters(phase.part))
            return None
        case Solve():
            with _frozen(context, context.model.head):
                return context.meters.add_solve(solve(context, phase, number))
        case Validate():
            with context.meters.stages.within("validate"):
                return context.predict("val", context.data.val)
        case Look():
            with _frozen(context, NOTHING):
                return phase.apply(context.model, _looked_at(context, " of a look"))
    raise PhaseError(f"strategy {context.strategy.ref} yielded {phase!r}, which is not a phase")


def _looked_at(context: Context, use: str) -> Iterator[Batch]:
    """The training images in batches, in an order that the seed draws for one use."""
    drawn = torch.Generator().manual_seed(context.seeds.of("order", use))
    order = epoch_order(len(context.data.train), context.setting.protocol.batch_size, drawn)
    return context.data.train.batches(order)


@contextlib.contextmanager
def _frozen(context: Context, but: Part) -> Iterator[None]:
    """Hold a phase to changing nothing outside of a part; comparing counts as measuring."""
    with context.meters.stages.within("measure"):
        before = digests(context.model, but)
    yield
    with context.meters.stages.within("measure"):
        refuse_changes(context.model, but, before)


def tuned(context: Context, rates: Sequence[float]) -> tuple[Context, list[CandidateRecord]]:
    """Train from the same start with each rate, in the same order of images, and choose on val.

    The best primary metric of val wins, of equals the lowest val loss. A rate that diverges is a candidate like any
    other, but is not chosen; raises Diverged where all do. The best model so far waits on the CPU.
    """
    tried: list[CandidateRecord] = []
    best: tuple[Predictions, Context, list[EpochRecord], float | None] | None = None
    progress, stages, device = context.progress, context.meters.stages, context.setting.device
    for number, rate in enumerate(rates):
        begun = time.perf_counter()
        order = context.seeds.generator("order")
        setting = dataclasses.replace(context.setting, learning_rate=rate, order=order)
        candidate = dataclasses.replace(
            context, model=context.model if number == 0 else context.build(), setting=setting
        )
        progress.history, progress.train_loss = [], None
        try:
            adapt(candidate)
            with stages.within("validate"):
                val = candidate.predict("val", context.data.val)
        except Diverged:
            if number == len(rates) - 1 and best is None:
                raise
            tried.append(CandidateRecord(learning_rate=rate, val=None, val_loss=None, seconds=_since(begun)))
            continue
        tried.append(CandidateRecord(learning_rate=rate, val=val.value, val_loss=val.loss, seconds=_since(begun)))
        if best is None or val.merit > best[0].merit:
            candidate.model.module.to("cpu")
            best = val, candidate, progress.history, progress.train_loss
    assert best is not None
    _, chosen, progress.history, progress.train_loss = best
    chosen.model.module.to(device)
    chosen_rate = chosen.setting.learning_rate
    return chosen, [each.model_copy(update={"chosen": each.learning_rate == chosen_rate}) for each in tried]


def _since(begun: float) -> float:
    return time.perf_counter() - begun


def _train(context: Context, phase: Train, number: int) -> None:
    model, data, setting, meters, progress = (
        context.model,
        context.data,
        context.setting,
        context.meters,
        context.progress,
    )
    prepare_phase(model, phase)
    steps = phase_steps(phase, setting.protocol, len(data.train))
    batchnorm = settle(model, setting.protocol, steps, context.pretrained, context.strategy.load().batchnorm)
    with meters.stages.within("features"):
        fed, features = feed(model, phase, context.source(images=data.train, split="train"), context.cache)
    with meters.stages.within("measure"):
        batch = first_batch(data.train, setting.protocol.batch_size)
        probe = probe_step(model, phase, fed, batch, setting)
        del batch
    meters.share(features)
    compilation = None
    if setting.protocol.compile != "off" and phase.watch:
        compilation = CompileRecord(used=False, reason="the phase watches the activations of single modules")
    elif setting.protocol.compile != "off" and setting.most_steps is None:
        with meters.stages.within("compile"):
            fed, compilation = compiled(model, phase, fed, setting, steps)
    val = partial(context.evaluation_feed, "val", data.val)
    selection = Selection(model, number, val, setting, meters.stages)

    def after_epoch(epoch: int, loss: float) -> bool:
        meters.energy.sample()
        return selection.after_epoch(epoch, loss)

    trained = train(model, phase, number, setting, fed, after_epoch)
    progress.history += selection.end()
    progress.train_loss = trained.loss
    parameters = dict(model.parameters(phase.part))
    meters.add(
        PhaseMeasured(
            phase=number,
            learning_rate=setting.learning_rate,
            steps=trained.steps,
            images=sum(trained.steps.images),
            trainable_parameters=sum(parameter.numel() for parameter in parameters.values()),
            optimizer_bytes=trained.optimizer_bytes,
            probe=probe,
            features=features,
            compile=compilation,
            batchnorm=batchnorm,
        )
    )
