"""What a comparison could have found: the smallest difference, and what it would take to find a smaller one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tlbench.stats.family import LEVEL
from tlbench.stats.paired import Difference
from tlbench.stats.spread import Spread

POWER = 0.8
MOST_SEEDS = 1_000
MOST_EXAMPLES = 10_000_000


@dataclass(frozen=True)
class Power:
    """What comparisons find in 80 % of cases, at the 5 % level corrected for their number.

    `smallest` is the difference that a typical pair (of the median variance) needs; `seeds` and `examples`, each
    alone, how many a difference of `target` would take; None where no number is enough, or seeds say nothing yet.
    """

    smallest: float
    target: float
    seeds: int | None
    examples: int | None


def power(found: Sequence[Difference], comparisons: int, target: float) -> Power | None:
    """What comparisons like those found could have found; None where no pair is paired and has any variance."""
    known = [(each.spread, each.seeds) for each in found if each.paired and each.spread and each.spread.variance > 0]
    if not known:
        return None
    typical, now = sorted(known, key=lambda each: each[0].variance)[(len(known) - 1) // 2]
    level = LEVEL / comparisons

    def with_seeds(seeds: int) -> Spread:
        return replace(typical, by_seed=typical.by_seed * now / seeds, freedom=typical.freedom + seeds - now)

    def with_examples(examples: int) -> Spread:
        return replace(typical, by_example=typical.by_example * typical.examples / examples)

    return Power(
        smallest=smallest(typical, level),
        target=target,
        seeds=_fewest(with_seeds, now, MOST_SEEDS, level, target) if typical.freedom else None,
        examples=_fewest(with_examples, typical.examples, MOST_EXAMPLES, level, target),
    )


def smallest(spread: Spread, level: float) -> float:
    """The difference that a test at a two-sided level finds with a probability of 80 %."""
    return spread.reach(level / 2) + spread.reach(1 - POWER)


def _fewest(spread: Callable[[int], Spread], low: int, high: int, level: float, target: float) -> int | None:
    """The smallest number that is enough; None where the largest isn't."""
    if smallest(spread(high), level) > target:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if smallest(spread(middle), level) <= target else (middle + 1, high)
    return low
