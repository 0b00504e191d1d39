"""A strategy carried out: its phases one after the other, with one learning rate or with several to choose from."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import torch

from tlbench.data.batches import epoch_order
from tlbench.engine.compilation import compiled
from tlbench.engine.evaluate import Predictions
from tlbench.engine.features import feed
from tlbench.engine.feed import first_batch
from tlbench.engine.loop import phase_steps, prepare_phase, train
from tlbench.engine.probe import probe_step
from tlbench.engine.seeds import Stream
from tlbench.engine.selection import Selection
from tlbench.engine.solve import solve
from tlbench.engine.stand import Stand
from tlbench.errors import Diverged, PhaseError
from tlbench.measure.meters import PhaseMeasured
from tlbench.phases import Look, Phase, Rewrite, Solve, Train, Validate
from tlbench.records import CandidateRecord, CompileRecord, EpochRecord


def adapt(stand: Stand) -> None:
    """Ask the strategy for its phases, and carry each out."""
    progress, strategy = stand.progress, stand.strategy
    stand.meters.stages.enter("train")
    stand.meters.energy.start()
    torch.manual_seed(stand.seeds.of("augmentation"))
    if stand.data.train.augment is not None:
        stand.data.train.augment.restart()
    new_tensors = Stream(stand.seeds.of("initialisation", " of new tensors"), stand.setting.device)
    with new_tensors.drawing():
        phases = iter(strategy.load().phases(stand.model, strategy.options))
    found: Any = None
    for number in itertools.count():
        try:
            with new_tensors.drawing():
                phase = phases.send(found) if isinstance(phases, Generator) else next(phases)
        except StopIteration:
            break
        progress.phase, progress.step = number, None
        if isinstance(phase, Rewrite):
            with new_tensors.drawing():
                found = phase.apply(stand.model)
        else:
            found = _carry_out(stand, phase, number)
    progress.phase, progress.step = None, None


def _carry_out(stand: Stand, phase: Phase, number: int) -> Any:
    """Do what a phase says; gives what is sent back to the strategy."""
    match phase:
        case Train() if phase.of is not None:
            _train(dataclasses.replace(stand, model=phase.of), phase, number)
            return None
        case Train():
            _train(stand, phase, number)
            stand.progress.note_trained(stand.model.parameters(phase.part))
            return None
        case Solve():
            return stand.meters.add_solve(solve(stand, phase, number))
        case Validate():
            with stand.meters.stages.within("validate"):
                return stand.predict("val", stand.data.val)
        case Look():
            drawn = torch.Generator().manual_seed(stand.seeds.of("order", " of a look"))
            order = epoch_order(len(stand.data.train), stand.setting.protocol.batch_size, drawn)
            return phase.apply(stand.model, stand.data.train.batches(order))
    raise PhaseError(f"strategy {stand.strategy.ref} yielded {phase!r}, which is not a phase")


def tuned(stand: Stand, rates: Sequence[float]) -> tuple[Stand, list[CandidateRecord]]:
    """Train from the same start with each rate, in the same order of images, and choose on val.

    The highest val accuracy wins, of equals the lowest val loss. A rate that diverges is a candidate like any other,
    but is not chosen; raises Diverged where all do. The best model so far waits on the CPU.
    """
    tried: list[CandidateRecord] = []
    best: tuple[Predictions, Stand, list[EpochRecord], float | None] | None = None
    progress, stages, device = stand.progress, stand.meters.stages, stand.setting.device
    for number, rate in enumerate(rates):
        begun = time.perf_counter()
        order = stand.seeds.generator("order")
        setting = dataclasses.replace(stand.setting, learning_rate=rate, order=order)
        candidate = dataclasses.replace(stand, model=stand.model if number == 0 else stand.build(), setting=setting)
        progress.history, progress.train_loss = [], None
        try:
            adapt(candidate)
            with stages.within("validate"):
                val = candidate.predict("val", stand.data.val)
        except Diverged:
            if number == len(rates) - 1 and best is None:
                raise
            tried.append(CandidateRecord(learning_rate=rate, val_accuracy=None, val_nll=None, seconds=_since(begun)))
            continue
        tried.append(
            CandidateRecord(learning_rate=rate, val_accuracy=val.accuracy, val_nll=val.mean_nll, seconds=_since(begun))
        )
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


def _train(stand: Stand, phase: Train, number: int) -> None:
    model, data, setting, meters, progress = stand.model, stand.data, stand.setting, stand.meters, stand.progress
    prepare_phase(model, phase)
    with meters.stages.within("features"):
        fed, features = feed(model, phase, stand.source(images=data.train, split="train"), stand.cache)
    with meters.stages.within("measure"):
        batch = first_batch(data.train, setting.protocol.batch_size)
        probe = probe_step(model, phase, fed, batch, setting.device, setting.protocol)
        del batch
    meters.share(features)
    compilation = None
    if setting.protocol.compile != "off" and phase.watch:
        compilation = CompileRecord(used=False, reason="the phase watches the activations of single modules")
    elif setting.protocol.compile != "off" and setting.most_steps is None:
        steps = phase_steps(phase, setting.protocol, len(fed.source))
        with meters.stages.within("compile"):
            fed, compilation = compiled(model, phase, fed, setting.protocol, setting.device, steps)
    val = partial(stand.evaluation_feed, "val", data.val)
    selection = Selection(model, number, val, setting.protocol, meters.stages)

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
            trainable_parameters=sum(parameter.numel() for parameter in parameters.values()),
            optimizer_bytes=trained.optimizer_bytes,
            probe=probe,
            features=features,
            compile=compilation,
        )
    )
