"""A `Train` phase carried out and measured: what it is fed with, its probe, its steps, the epoch it ends with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tlbench.contracts.phases import Train
from tlbench.engine.batchnorm import settle
from tlbench.engine.compilation import compiled
from tlbench.engine.context import Context
from tlbench.engine.features import feed
from tlbench.engine.feed import BatchSource, Feed, first_batch
from tlbench.engine.loop import phase_steps, prepare_phase, train
from tlbench.engine.probe import probe_step
from tlbench.engine.selection import Selection
from tlbench.engine.setting import Setting
from tlbench.engine.streams import objective_of, trained_on
from tlbench.measure.meters import PhaseMeasured
from tlbench.results.costs import CompileRecord, FeaturesRecord


def train_phase(context: Context, phase: Train, number: int) -> None:
    """Train what the phase says on what it says, and note what that took and left."""
    model, meters, progress = context.model, context.meters, context.progress
    prepare_phase(model, phase)
    source = trained_on(context, phase, number)
    setting = replace(context.setting, objective=objective_of(context, phase.data))
    steps = progress.steps = phase_steps(phase, setting.protocol, len(source))
    batchnorm = settle(model, setting.protocol, steps, context.pretrained, context.strategy.load().batchnorm)
    with meters.spans.within("features"):
        fed, features = _feed(context, phase, source)
    with meters.spans.within("measure"):
        batch = first_batch(source, setting.protocol.batch_size)
        probe = probe_step(model, phase, fed, batch, setting)
        del batch
    meters.share(features)
    fed, compilation = _compiled(context, phase, fed, setting, steps)
    selection = _selection(context, phase, number)

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
            data_bytes=context.resident_bytes(fed.source),
            probe=probe,
            features=features,
            compile=compilation,
            batchnorm=batchnorm,
        )
    )


def _feed(context: Context, phase: Train, source: BatchSource) -> tuple[Feed, FeaturesRecord]:
    """Images, or features of what is frozen where the phase trains on the training images as they are."""
    if phase.data is not None or phase.beside:
        reason = "the phase trains on other images, or on changed ones"
        return Feed(source, context.model.module), FeaturesRecord(used=False, reason=reason)
    inputs = context.feature_inputs(images=context.data.train, split="train")
    return feed(context.model, phase, inputs, context.cache)


def _compiled(
    context: Context, phase: Train, fed: Feed, setting: Setting, steps: int
) -> tuple[Feed, CompileRecord | None]:
    """The feed with its forward pass compiled, where the protocol wants that; None where nobody asked for it."""
    if setting.protocol.compile == "off" or (setting.most_steps is not None and not phase.watch):
        return fed, None
    if phase.watch:
        return fed, CompileRecord(used=False, reason="the phase watches the activations of single modules")
    with context.meters.spans.within("compile"):
        return compiled(context.model, phase, fed, setting, steps)


def _selection(context: Context, phase: Train, number: int) -> Selection:
    """What watches the epochs; val has nothing to say of a phase that does not learn the trial's own task."""
    setting = context.setting
    if phase.data is not None and not phase.data.for_the_task:
        protocol = setting.protocol.model_copy(update={"select": "last", "patience": None})
        setting = replace(setting, protocol=protocol)
    val = partial(context.evaluation_feed, "val", context.data.val)
    return Selection(context.model, number, val, setting, context.meters.spans)
