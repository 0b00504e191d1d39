"""A strategy carried out: its phases one after the other, with one learning rate or with several to choose from."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch

from tlbench.contracts.batch import Batch
from tlbench.contracts.part import Part
from tlbench.contracts.phases import Look, Phase, Rewrite, Solve, Train, Validate
from tlbench.data.batches import Images, epoch_order
from tlbench.engine.batchnorm import reestimate
from tlbench.engine.context import Context
from tlbench.engine.evaluate import Predictions
from tlbench.engine.frozen import digests, refuse_changes
from tlbench.engine.seeds import Stream
from tlbench.engine.solve import solve
from tlbench.engine.streams import images_of
from tlbench.engine.train_phase import train_phase
from tlbench.errors import Diverged, PhaseError
from tlbench.results.records import CandidateRecord, EpochRecord

NOTHING = Part(frozenset())


def adapt(context: Context) -> None:
    """Ask the strategy for its phases, and carry each out."""
    progress, strategy = context.progress, context.strategy
    context.meters.spans.enter("train")
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
        progress.steps = 0
    context.model.detach()
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
        reestimate(context.model, _looked_at(context, " of statistics", context.data.train))
        context.meters.add_images(len(context.data.train))
    return found


def _carry_out(context: Context, phase: Phase, number: int) -> Any:
    """Do what a phase says; gives what is sent back to the strategy."""
    match phase:
        case Train():
            phase = context.in_budget(phase)
            trained = context if phase.of is None else dataclasses.replace(context, model=phase.of)
            with _frozen(trained, phase.part if phase.moves is None else phase.part | phase.moves):
                train_phase(trained, phase, number)
            if phase.of is None:
                context.progress.note_trained(context.model.parameters(phase.part))
            return None
        case Solve():
            with _frozen(context, context.model.head):
                return context.meters.add_solve(solve(context, phase, number))
        case Validate():
            with context.meters.spans.within("validate"):
                return context.predict("val", context.data.val)
        case Look():
            with _frozen(context, NOTHING):
                return phase.apply(context.model, _looked_at(context, " of a look", images_of(context, phase.data)))
    raise PhaseError(f"strategy {context.strategy.ref} yielded {phase!r}, which is not a phase")


def _looked_at(context: Context, use: str, images: Images) -> Iterator[Batch]:
    """Training images in batches, in an order that the seed draws for one use."""
    drawn = torch.Generator().manual_seed(context.seeds.of("order", use))
    return images.batches(epoch_order(len(images), context.setting.protocol.batch_size, drawn))


@contextlib.contextmanager
def _frozen(context: Context, but: Part) -> Iterator[None]:
    """Hold a phase to changing nothing outside of a part; comparing counts as measuring."""
    with context.meters.spans.within("measure"):
        before = digests(context.model, but)
    yield
    with context.meters.spans.within("measure"):
        refuse_changes(context.model, but, before)


def tuned(context: Context, rates: Sequence[float]) -> tuple[Context, list[CandidateRecord]]:
    """Train from the same start with each rate, in the same order of images, and choose on val.

    The best primary metric of val wins, of equals the lowest val loss. A rate that diverges is a candidate like any
    other, but is not chosen; raises Diverged where all do. The best model so far waits on the CPU.
    """
    tried: list[CandidateRecord] = []
    best: tuple[Predictions, Context, list[EpochRecord], float | None] | None = None
    progress, spans, device = context.progress, context.meters.spans, context.setting.device
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
            with spans.within("validate"):
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
