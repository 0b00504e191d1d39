"""What a model still knows of its source: through the source's own head, and by a fresh linear probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tlbench.contracts.batch import HEAD_INPUT
from tlbench.contracts.model import TransferModel
from tlbench.contracts.task import Metric, Objective
from tlbench.data.batches import Images
from tlbench.engine.evaluate import evaluation_batch
from tlbench.engine.feed import in_order
from tlbench.engine.precision import autocast
from tlbench.errors import RetentionUnknown
from tlbench.plan.cell import Protocol

PROBE_ITERATIONS = 1000


@dataclass(frozen=True)
class SourceTask:
    """The source as a model is measured on it: its own head, what that head's outputs mean, and the images.

    `outputs` has the place of each class among the head's outputs; None where they are the same. `probed` says whether
    a linear probe can be fitted: the labels are one class each.
    """

    head: nn.Module
    objective: Objective
    primary: Metric
    train: Images
    test: Images
    probed: bool
    outputs: torch.Tensor | None = None


@dataclass(frozen=True)
class Retained:
    """The primary metric of the source's test through its own head, and the accuracy of a fresh linear probe."""

    through_head: float | None
    probe: float | None


def retained(model: TransferModel, source: SourceTask, protocol: Protocol) -> Retained:
    """Measure a model on a source task; raises RetentionUnknown where the source's head does not fit its features."""
    model.module.eval()
    test = _features(model, source.test, protocol)
    labels = source.test.labels
    with torch.inference_mode():
        try:
            outputs = source.head(test.to(next(source.head.parameters()).device)).float().cpu()
        except RuntimeError as error:
            raise RetentionUnknown(
                f"the source's head does not take the features that the strategy leaves ({tuple(test.shape[1:])}): "
                f"{str(error).partition(chr(10))[0]}"
            ) from error
    meant = labels if source.outputs is None else source.outputs[labels]
    found = source.objective.scores(source.objective.kept(outputs, meant))[source.primary.name]
    if not source.probed:
        return Retained(found, None)
    train = _features(model, source.train, protocol)
    return Retained(found, linear_probe(train, source.train.labels, test, labels))


def linear_probe(
    train: torch.Tensor, train_labels: torch.Tensor, test: torch.Tensor, test_labels: torch.Tensor
) -> float:
    """The share of N×D test features that a logistic regression on standardised training features gets right."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=PROBE_ITERATIONS))
    probe.fit(train.flatten(1).double().numpy(), train_labels.numpy())
    return float(np.mean(probe.predict(test.flatten(1).double().numpy()) == test_labels.numpy()))


def _features(model: TransferModel, images: Images, protocol: Protocol) -> torch.Tensor:
    """What the model's head is given for all images, on the CPU."""
    if len(model.head_paths) != 1:
        raise RetentionUnknown(f"the head is of {len(model.head_paths)} modules: {', '.join(model.head_paths)}")
    return torch.cat(list(_head_inputs(model, images, protocol)))


def _head_inputs(model: TransferModel, images: Images, protocol: Protocol) -> Iterator[torch.Tensor]:
    device = next(model.module.parameters()).device
    with torch.inference_mode(), model.watched((), head_input=True) as seen:
        for batch in in_order(images, evaluation_batch(protocol, device)):
            with autocast(device, protocol.precision):
                model.module(batch.images)
            yield seen[HEAD_INPUT].float().cpu()
