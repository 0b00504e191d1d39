"""What the finished models of a job are measured on besides their test set, once nothing is chosen any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tlbench.data.batches import Images
from tlbench.data.corrupt import Corrupt
from tlbench.engine.context import Context
from tlbench.engine.cut import Cut
from tlbench.engine.evaluate import predict
from tlbench.engine.feed import Feed
from tlbench.engine.further import held
from tlbench.errors import Diverged
from tlbench.plan.cell import Cell
from tlbench.results.records import CorruptionsRecord

Put = Callable[[], object]
"""Makes a model of a job the context's."""
Values = Sequence[float | None]


@dataclass(frozen=True)
class Robustness:
    """What was found of a model, and the seconds that it would have taken alone."""

    corruptions: CorruptionsRecord | None = None
    corrupted: float | None = None
    seconds: float | None = None


NOT_ASKED = Robustness()


def measure_robustness(
    context: Context, cell: Cell, test: Images, models: Mapping[int, Put], pieces: Cut | None = None
) -> dict[int, Robustness]:
    """What is found of each model, by its seed: the primary metric of test under the cell's corruptions.

    With a cut, the models share what is before it, and that is computed once for all.
    """
    if not cell.corruptions or not models:
        return dict.fromkeys(models, NOT_ASKED)
    with context.meters.spans.within("robustness"):
        values: dict[int, dict[str, list[float | None]]] = {seed: {} for seed in models}
        shared, own = 0.0, dict.fromkeys(models, 0.0)
        for name, images in _corrupted(test, cell.corruptions):
            begun = time.perf_counter()
            fed = _feed(context, images, pieces)
            shared += time.perf_counter() - begun
            for seed, put in models.items():
                begun = time.perf_counter()
                put()
                values[seed].setdefault(name, []).append(_value(context, fed, images))
                own[seed] += time.perf_counter() - begun
    return {seed: _found(values[seed], shared + own[seed]) for seed in models}


def _corrupted(test: Images, corruptions: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, Images]]:
    for name, strengths in corruptions.items():
        for strength in strengths:
            yield name, test.corrupted(Corrupt(name, strength))


def _feed(context: Context, images: Images, pieces: Cut | None) -> Feed:
    module = context.model.module
    return Feed(images, module) if pieces is None else held(module, pieces, images, context.setting)


def _value(context: Context, fed: Feed, images: Images) -> float | None:
    """The primary metric; None where it can't be said."""
    try:
        seen = predict(context.model.module, fed, images.indices, context.setting)
    except Diverged:
        return None
    return seen.scores[seen.primary.name]


def _found(by_corruption: dict[str, list[float | None]], seconds: float) -> Robustness:
    by_severity = [_mean(values) for values in zip(*by_corruption.values(), strict=True)]
    record = CorruptionsRecord(by_corruption=by_corruption, by_severity=by_severity)
    return Robustness(record, _mean(by_severity), seconds)


def _mean(values: Values) -> float | None:
    """The mean of values, all of which are known."""
    known = [each for each in values if each is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
