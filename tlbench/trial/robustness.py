"""What the finished models of a job are measured on besides their test set, once nothing is chosen any more."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch

from tlbench.cache import StageCache
from tlbench.contracts.dataset import Dataset
from tlbench.data.batches import Images, open_split
from tlbench.data.corrupt import Corrupt
from tlbench.data.prepare import at_hand
from tlbench.data.relabel import relabelled
from tlbench.engine.context import Context
from tlbench.engine.cut import Cut
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.feed import Feed
from tlbench.engine.further import held
from tlbench.engine.precision import FORMATS
from tlbench.errors import Diverged
from tlbench.plan.cell import ShiftPlan
from tlbench.registry.kinds import Registry
from tlbench.results.beside import CorruptionsRecord
from tlbench.results.records import Metrics
from tlbench.trial.jobs import TrialJob
from tlbench.trial.scored import all_scores

Scores = Mapping[str, float | None]
"""Metrics by name."""
Notes = MutableMapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A finished model of a job: `put` makes it the context's, `notes` are those of its record."""

    put: Callable[[], object]
    notes: Notes


@dataclass(frozen=True)
class Robustness:
    """What was found of a model, and the seconds that it would have taken alone."""

    corruptions: CorruptionsRecord | None = None
    corrupted: float | None = None
    shifted: dict[str, Scores] = field(default_factory=dict)
    seconds: float | None = None

    def added_to(self, metrics: Metrics) -> Metrics:
        """Metrics of test and val with what was found besides."""
        return Metrics.model_validate({**dict(metrics), "corrupted": self.corrupted, "shifted": self.shifted})


NOT_ASKED = Robustness()
NOTE = "robustness"


def measure_robustness(
    context: Context,
    job: TrialJob,
    registry: Registry,
    test: Images,
    models: Mapping[int, Model],
    pieces: Cut | None = None,
) -> dict[int, Robustness]:
    """What is found of each model, by its seed: of test under the cell's corruptions, and of other datasets.

    With a cut, the models share what is before it, and that is computed once for all. What goes wrong with it is noted,
    and takes nothing from what the models got of their own test set.
    """
    cell = job.trial.cell
    if not (cell.corruptions or cell.test_on) or not models:
        return dict.fromkeys(models, NOT_ASKED)
    try:
        return _measured(context, job, registry, test, models, pieces)
    except Exception as error:
        for model in models.values():
            model.notes[NOTE] = f"not measured: {type(error).__name__}: {error}"
        shifted: dict[str, Scores] = {plan.dataset: {context.setting.primary.name: None} for plan in cell.test_on}
        return dict.fromkeys(models, Robustness(shifted=shifted))


def _measured(
    context: Context,
    job: TrialJob,
    registry: Registry,
    test: Images,
    models: Mapping[int, Model],
    pieces: Cut | None,
) -> dict[int, Robustness]:
    cell = job.trial.cell
    predicting, primary = _Predicting(context, models, pieces), context.setting.primary.name
    with context.meters.spans.within("robustness"):
        corrupted = {
            name: [
                predicting.each(test.corrupted(Corrupt(name, strength)), lambda seen, _notes: seen.scores)
                for strength in strengths
            ]
            for name, strengths in cell.corruptions.items()
        }
        shifted = {
            plan.dataset: predicting.each(
                _shifted(context, job, registry, plan),
                lambda seen, notes: all_scores(seen, context.extra_metrics, notes),
            )
            for plan in cell.test_on
        }
    return {
        seed: _found(
            {name: [scores[seed].get(primary) for scores in curve] for name, curve in corrupted.items()},
            {dataset: scores[seed] or {primary: None} for dataset, scores in shifted.items()},
            predicting.shared + predicting.own[seed],
        )
        for seed in models
    }


class _Predicting:
    """Predictions of each of a job's models, and the seconds that they take: `shared` by all, and of each its `own`."""

    def __init__(self, context: Context, models: Mapping[int, Model], pieces: Cut | None) -> None:
        self._context, self._models, self._pieces = context, models, pieces
        self.shared = 0.0
        self.own = dict.fromkeys(models, 0.0)

    def each(self, images: Images, score: Callable[[Predictions, Notes], Scores]) -> dict[int, Scores]:
        """What `score` makes of each model's predictions; nothing where a model gives outputs that are not finite."""
        module, setting = self._context.model.module, self._context.setting
        begun = time.perf_counter()
        fed = Feed(images, module) if self._pieces is None else held(module, self._pieces, images, setting)
        self.shared += time.perf_counter() - begun
        found: dict[int, Scores] = {}
        for seed, model in self._models.items():
            begun = time.perf_counter()
            model.put()
            try:
                found[seed] = score(predict(module, fed, images.indices, setting), model.notes)
            except Diverged:
                found[seed] = {}
            self.own[seed] += time.perf_counter() - begun
        return found


def _shifted(context: Context, job: TrialJob, registry: Registry, plan: ShiftPlan) -> Images:
    """The test split of another dataset, normalised as the target's images, its labels in the target's order."""
    cell, data = job.trial.cell, job.shifted[plan.dataset]

    def load() -> Dataset:
        return dataclasses.replace(registry.datasets.resolve(plan.dataset).load(), channels=data.channels)

    task = registry.tasks.resolve(cell.task).load()
    prepared = at_hand(data, load, task, lambda: StageCache(lease=job.lease))
    images = open_split(
        prepared, "test", preprocessing=context.model.preprocessing, device=context.setting.device,
        memory_format=FORMATS[cell.protocol.memory_format], source=load,
    )  # fmt: skip
    labels = relabelled(images.labels.numpy(), data.classes, job.data.classes)
    return images.relabelled(torch.from_numpy(labels))


def _found(by_corruption: dict[str, list[float | None]], shifted: dict[str, Scores], seconds: float) -> Robustness:
    by_severity = [_mean(values) for values in zip(*by_corruption.values(), strict=True)]
    curves = CorruptionsRecord(by_corruption=by_corruption, by_severity=by_severity) if by_corruption else None
    return Robustness(curves, _mean(by_severity), shifted, seconds)


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of values, all of which are known; None of none."""
    known = [each for each in values if each is not None]
    return fmean(known) if known and len(known) == len(values) else None
