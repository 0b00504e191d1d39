"""A `Solve` phase carried out: the features that the head is given, and the head that is fitted to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import torch

from tlbench.contracts.batch import HEAD_INPUT
from tlbench.contracts.fitting import Examples, Fitting
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Solve
from tlbench.data.split import draw
from tlbench.engine.context import Context
from tlbench.engine.evaluate import evaluation_batch
from tlbench.engine.features import evaluation_cut, feed_of
from tlbench.engine.feed import in_order
from tlbench.engine.precision import autocast
from tlbench.engine.product import linear_suffix
from tlbench.errors import PhaseError
from tlbench.results.costs import FeaturesRecord, SolveRecord


def solve(context: Context, phase: Solve, number: int) -> SolveRecord:
    """Fit a head to the features of the (drawn) training images, and put it where the model has its own.

    Raises PhaseError where the model's head is anything but one linear layer at its end.
    """
    model = context.model
    model.train_only(model.head)
    with context.meters.spans.within("features"):
        train, features = _examples(context, "train")
        val, _ = _examples(context, "val")
    begun = time.perf_counter()
    seed = context.seeds.of("order", " of the subset")
    chosen = torch.from_numpy(
        draw(context.strata(train.labels.cpu().numpy()), round(phase.subset * len(train.labels)), seed)
    )
    drawn = Examples(train.features[chosen], train.labels[chosen])
    solved = phase.fit(Fitting(drawn, val, context.setting.objective, context.setting.primary))
    model.replace_head(solved.head)
    model.train_only(model.head)
    context.progress.note_trained(model.parameters(model.head))
    context.progress.note_trained(_stored(model))
    return SolveRecord(
        phase=number,
        seconds=time.perf_counter() - begun,
        images=len(drawn.labels),
        features=features,
        chosen=dict(solved.chosen),
        candidates=[dict(each) for each in solved.candidates],
    )


def _stored(model: TransferModel) -> Iterator[tuple[str, torch.Tensor]]:
    """The numbers that a fitted head keeps besides parameters: training features, of nearest neighbours."""
    return (pair for pair in model.module.named_buffers() if model.head.holds(pair[0]) and pair[1].is_floating_point())


def _examples(context: Context, split: Literal["train", "val"]) -> tuple[Examples, FeaturesRecord]:
    """All features of a split as the head is given them, from the cache where they can be kept."""
    images = context.data.train.plain() if split == "train" else context.data.val
    inputs = context.feature_inputs(images=images, split=split)
    pieces = evaluation_cut(context.model, inputs, context.cache)
    fed, record = feed_of(context.model, pieces, inputs, context.cache)
    context.meters.share(record)
    size = evaluation_batch(context.setting.protocol, context.setting.device)
    with torch.inference_mode():
        if linear_suffix(fed) is not None:
            features = [batch.images.float() for batch in in_order(fed.source, size)]
        else:
            features = [_given(context, batch.images).float() for batch in in_order(images, size)]
    return Examples(torch.cat(features).clone(), images.labels.to(context.setting.device)), record


def _given(context: Context, images: torch.Tensor) -> torch.Tensor:
    """What a forward pass hands to the head, N×D."""
    model, protocol = context.model, context.setting.protocol
    layer = model.linear_head
    with model.watched((), head_input=True) as seen, autocast(context.setting.device, protocol.precision):
        outputs = model.module.eval()(images)
    given = seen.get(HEAD_INPUT)
    if given is None or layer is None or given.ndim != 2 or outputs.shape != (len(images), layer.out_features):
        what = ", ".join(f"{path} ({type(model.module.get_submodule(path)).__name__})" for path in model.head_paths)
        raise PhaseError(
            f"a head can be fitted in closed form only where it is one linear layer at the model's end, not {what}"
        )
    return given
