"""The differences of all pairs of cells at once: what `difference` says of each, by products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tlbench.stats.moderate import moderated
from tlbench.stats.paired import LARGE, Difference, adjusted, difference, mcnemar
from tlbench.stats.sample import Sample
from tlbench.stats.spread import Spread, tails

Pairs = dict[tuple[int, int], Difference]
NOTHING = 1e-9
"""A sum of squares below this share of the whole is 0, up to rounding."""


def differences(samples: Sequence[Sample]) -> Pairs:
    """The difference of each pair of cells, by their numbers; the first is the smaller one.

    Of three cells or more with the same seeds and examples, the variances over seeds are moderated (`moderated`):
    alone, those of three seeds would leave hardly any difference certain.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, each in enumerate(samples):
        if each.whole:
            alike.setdefault((tuple(each.scores), len(next(iter(each.scores.values())))), []).append(number)
    found: Pairs = {}
    for numbers in alike.values():
        if len(numbers) > 2:
            found |= _together(np.stack([_stacked(samples[number]) for number in numbers]), numbers)
    found |= _without_scores(samples)
    pairs = combinations(range(len(samples)), 2)
    return {pair: found.get(pair) or difference(samples[pair[0]], samples[pair[1]]) for pair in pairs}


def _without_scores(samples: Sequence[Sample]) -> Pairs:
    """The differences of cells whose predictions are not at hand, which are taken for independent."""
    known = {number: each.spread() for number, each in enumerate(samples) if not each.scores}
    spreads = {number: each for number, each in known.items() if each is not None}
    pairs = {pair: spreads[pair[0]].less(spreads[pair[1]]) for pair in combinations(spreads, 2)}
    if not pairs:
        return {}
    facts = np.array([(abs(s.mean), s.by_seed, s.by_example, s.freedom, s.examples) for s in pairs.values()], float)
    p_values = np.minimum(1.0, 2 * tails(*facts.T))
    return {
        pair: Difference(spread.mean, spread, float(p_value), 0, paired=False)
        for (pair, spread), p_value in zip(pairs.items(), p_values, strict=True)
    }


@dataclass(frozen=True)
class Moments:
    """For each pair of cells, the fields of `Spread`, and in `one` whether its seeds' differences are all equal."""

    mean: np.ndarray
    by_seed: np.ndarray
    by_example: np.ndarray
    one: np.ndarray


def moments(scores: np.ndarray) -> Moments:
    """What `crossed` finds for the difference of each two of cells × seeds × examples (`numpy.triu_indices`).

    Sums of squares of differences follow from inner products, so that no difference of scores is ever made.
    """
    cells, seeds, examples = scores.shape
    first, second = np.triu_indices(cells, 1)

    def squares(each: np.ndarray) -> np.ndarray:
        inner = each @ each.T
        own = np.diag(inner)
        apart: np.ndarray = np.maximum(own[first] + own[second] - 2 * inner[first, second], 0.0)
        return apart

    of_seed = scores.mean(2)[first] - scores.mean(2)[second]
    mean = of_seed.mean(1)
    whole, centre = squares(scores.reshape(cells, -1)), seeds * examples * mean**2
    across = np.maximum(seeds * squares(scores.mean(1)) - centre, 0.0)
    along = np.maximum(examples * (of_seed**2).sum(1) - centre, 0.0)
    rest = np.maximum(whole - centre - across - along, 0.0)
    number = seeds * examples
    across, common = across / max(examples - 1, 1) / number, rest / max((seeds - 1) * (examples - 1), 1) / number
    by_seed = along / max(seeds - 1, 1) / number
    one = (rest <= NOTHING * whole) & (along <= NOTHING * whole)
    by_example = np.maximum(np.maximum(across - common, common - by_seed), 0.0)
    return Moments(mean, np.where(one, 0.0, by_seed), np.where(one, across * seeds, by_example), one)


def _together(scores: np.ndarray, numbers: list[int]) -> Pairs:
    cells, seeds, examples = scores.shape
    found = moments(scores)
    by_seed, freedom = (
        moderated(found.by_seed, seeds - 1.0, (cells - 1.0) * (seeds - 1)) if seeds > 1 else (found.by_seed, 0.0)
    )
    mean, by_example, counted = found.mean, found.by_example, np.full(len(found.mean), float(examples))
    better, worse = _outcomes(scores, np.where(found.one, seeds, 1))
    if better is not None and worse is not None:
        apart, variance = adjusted(better, worse, examples)
        mean = np.where(found.one, apart, mean)
        by_example = np.where(found.one, variance, by_example)
        counted = np.where(found.one, LARGE, counted)
    freedoms = np.where(by_seed > 0, freedom, 0.0)
    p_values = np.minimum(1.0, 2 * tails(np.abs(mean), by_seed, by_example, freedoms, counted))
    if better is not None and worse is not None:
        exact = mcnemar(better, worse)
        p_values = np.where(found.one, exact, np.maximum(p_values, exact))
    p_values = np.where((found.mean == 0) & (found.by_seed + found.by_example == 0), 1.0, p_values)
    facts = zip(mean, by_seed, by_example, freedoms, counted, strict=True)
    spreads = [Spread(float(a), float(b), float(c), float(d), int(e)) for a, b, c, d, e in facts]
    pairs = combinations(numbers, 2)
    return {
        pair: Difference(float(value), spread, float(p_value), seeds, paired=True)
        for pair, value, spread, p_value in zip(pairs, found.mean, spreads, p_values, strict=True)
    }


def _stacked(sample: Sample) -> np.ndarray:
    return np.stack(list(sample.scores.values())).astype(float)


def _outcomes(scores: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """For each pair, how often the first is right and the second wrong, and the reverse; None where scores are others.

    `times` are those that each example counts, as seeds that are all equal count as one.
    """
    if not np.isin(scores, (0.0, 1.0)).all():
        return None, None
    flat = scores.reshape(len(scores), -1)
    first, second = np.triu_indices(len(scores), 1)
    both = (flat @ flat.T)[first, second]
    right = flat.sum(1)
    return (right[first] - both) / times, (right[second] - both) / times
