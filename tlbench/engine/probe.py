"""One step outside the clock, before a phase begins: its FLOPs, its gradients, what it keeps for the backward pass."""

from __future__ import annotations

from dataclasses import replace

import torch

from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.engine.feed import Feed
from tlbench.engine.precision import autocast
from tlbench.engine.setting import Setting
from tlbench.engine.step import batch_loss
from tlbench.engine.undone import logs_undone, passes_undone
from tlbench.measure.flops import Flops
from tlbench.measure.memory import SavedForBackward, gradient_bytes
from tlbench.measure.meters import StepProbe


def probe_step(model: TransferModel, phase: Train, feed: Feed, images: Batch, setting: Setting) -> StepProbe:
    """Do the forward and the backward pass of a phase's step, count, and leave the model as it was.

    `images` is a full batch; where the feed is one of features, they are made of it.
    """
    before, forward, backward, saved = Flops(), Flops(), Flops(), SavedForBackward(model.module)
    batch, device, protocol = images, setting.device, setting.protocol
    with passes_undone(model.module, device), logs_undone(model):
        if feed.prefix is not None:
            with before.counting(), torch.no_grad(), autocast(device, protocol.precision):
                batch = replace(images, images=feed.prefix(images.images))
        with forward.counting(), saved.counting():
            loss = batch_loss(model, phase, feed.forward, batch, setting)
        with backward.counting():
            loss.backward()  # type: ignore[no-untyped-call]
        gradients = gradient_bytes(model.module)
    return StepProbe(
        forward_flops_per_image=(before.total + forward.total) / batch.images_in_all,
        train_flops_per_image=(forward.total + backward.total) / batch.images_in_all,
        gradient_bytes=gradients,
        activation_bytes=saved.bytes,
    )
