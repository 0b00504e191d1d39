"""What a trial's predictions are worth, for its record."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from tlbench.contracts.task import ExtraMetric
from tlbench.engine.evaluate import Predictions, chance_level
from tlbench.registry.apart import guarded
from tlbench.results.records import Metrics


def scored(
    test: Predictions,
    val: Predictions,
    train_loss: float | None,
    extra: Sequence[ExtraMetric],
    notes: MutableMapping[str, Any],
) -> Metrics:
    """The metrics of test and val; what a plugin's metric raises is a note, and the figure is null."""
    return Metrics(
        primary=test.primary.name,
        test=all_scores(test, extra, notes),
        val=all_scores(val, extra, notes),
        by_target=test.objective.by_target(test.kept),
        chance=chance_level(test),
        at_chance=test.objective.learned_nothing(test.kept),
        train_loss=train_loss,
    )


def all_scores(
    seen: Predictions, extra: Sequence[ExtraMetric], notes: MutableMapping[str, Any]
) -> dict[str, float | None]:
    """The metrics of a split by name, those of the task and of plugins."""
    return seen.scores | _extra(seen, extra, notes)


def _extra(seen: Predictions, extra: Sequence[ExtraMetric], notes: MutableMapping[str, Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for each in extra:
        name = each.metric.name
        found[name] = None
        with guarded(partial(_note, name, notes)):
            value = each.compute(seen.kept)
            found[name] = None if value is None else float(value)
    return found


def _note(name: str, notes: MutableMapping[str, Any], error: BaseException) -> None:
    notes[f"metric {name}"] = f"raised {type(error).__name__}: {error}"


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write per-example predictions as safetensors."""
    save_file(predictions.tensors(), path)
